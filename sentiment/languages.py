"""Names of languages, and what is to be said of a timeline whose words are in one that the network does not read."""

from __future__ import annotations

from sentiment.datatypes import Timeline


def languages() -> dict[str, str]:
    """The name of every language that Whisper knows, by its ISO 639-1 code: {"de": "German", ...}."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    return {code: name.title() for code, name in LANGUAGES.items()}


def language_name(code: str) -> str:
    """ "German" for "de"; a code that Whisper does not know stays as it is."""
    return languages().get(code, code)


def language_note(timeline: Timeline) -> str:
    """One sentence on words that were read through a translation, or not at all; "" where there are none of them."""
    spoken = [p for p in timeline.segments if p.segment.kind == "speech" and p.segment.text]
    translated = [p for p in spoken if p.segment.translation]
    if timeline.language is None or not spoken:
        return ""
    name = language_name(timeline.language)
    if translated:
        missing = len(spoken) - len(translated)
        rest = f" In {missing} of {len(spoken)} lines no translation came out; voice and face count there."
        return f"{name} words are read through their English translation: nuance is lost.{rest if missing else ''}"
    if not any(p.presence[0] for p in spoken):
        return f"{name} words are shown, but the network does not read them: the answers rest on voice and face."
    return ""
