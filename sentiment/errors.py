"""The errors a person can cause, each with one clear sentence: what was found, what is accepted.

They are raised at the boundary where the bad input comes in. Only the studio turns them into
messages on the screen, and only the command line turns them into an exit code.
"""

from __future__ import annotations


class SentimentError(Exception):
    """Something that the person in front of the program can understand and mend."""


class MediaError(SentimentError):
    """A file that is no video or audio, or cannot be decoded."""


class TranscriptionError(SentimentError):
    """A speech recogniser that cannot be found, or cannot do what was asked of it."""


class CheckpointError(SentimentError):
    """A checkpoint that is missing, incomplete, tampered with, or made for other labels."""


class SettingsError(SentimentError):
    """A setting outside of what it may be."""
