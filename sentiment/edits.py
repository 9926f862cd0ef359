"""What a person has put right in a timeline: words that were misheard, and whose face counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sentiment.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Edits:
    """All corrections of a timeline at once. Segments are named by their index, counted from 0."""

    words: Mapping[int, str] = field(default_factory=dict)
    """What is really said in a segment of speech; "" where nothing is."""
    translations: Mapping[int, str] = field(default_factory=dict)
    """What that means in English, in place of the recogniser's translation."""
    faces: tuple[int, ...] = ()
    """The tracks (`FaceCandidate.track`) whose face counts, taken for one person: where none of them is, no face
    counts. Empty: in each segment the largest face does."""

    def __post_init__(self) -> None:
        for name in ("words", "translations"):
            for index, text in getattr(self, name).items():
                if not isinstance(index, int) or index < 0 or not isinstance(text, str):
                    raise SettingsError(
                        f"Corrected {name} go from a segment's index to a text, got {index!r}: {text!r}."
                    )
        if not all(isinstance(track, int) and track >= 0 for track in self.faces):
            raise SettingsError(f"Faces are chosen by the numbers of their tracks, got {list(self.faces)!r}.")

    def __bool__(self) -> bool:
        return bool(self.words or self.translations or self.faces)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, whose keys are strings: {"words": {"3": "..."}, "translations": {}, "faces": [0, 4]}."""
        return {
            "words": {str(index): text for index, text in sorted(self.words.items())},
            "translations": {str(index): text for index, text in sorted(self.translations.items())},
            "faces": list(self.faces),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Edits:
        """From what `to_dict` gives; any of its parts may be missing.

        Raises:
            SettingsError: something is not what it may be, or is unknown.
        """
        if not isinstance(values, Mapping):
            raise SettingsError(f"Corrections are an object with words, translations and faces, got {values!r}.")
        if unknown := sorted(set(values) - {"words", "translations", "faces"}):
            raise SettingsError(f"Corrections have words, translations and faces, and no {unknown[0]!r}.")
        faces = values.get("faces", ())
        if not isinstance(faces, list | tuple):
            raise SettingsError(f"Faces are a list of the numbers of tracks, got {faces!r}.")
        return cls(_by_index(values, "words"), _by_index(values, "translations"), tuple(faces))


def _by_index(values: Mapping[str, Any], name: str) -> dict[int, str]:
    texts = values.get(name, {})
    if not isinstance(texts, Mapping) or not all(str(index).isdecimal() for index in texts):
        raise SettingsError(f"Corrected {name} go from a segment's index to a text, got {texts!r}.")
    return {int(index): text for index, text in texts.items()}


NO_EDITS = Edits()
