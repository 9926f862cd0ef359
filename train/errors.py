"""The errors of training that a person can mend."""

from __future__ import annotations

from sentiment.errors import SentimentError


class DataError(SentimentError):
    """A corpus that is missing, incomplete, or not in the form it is published in."""
