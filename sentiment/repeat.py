"""What it takes to get the same result again, from the provenance that every timeline carries."""

from __future__ import annotations

import shlex

from sentiment.datatypes import Timeline


def repeat_command(timeline: Timeline) -> str:
    """The command line that analysed the file, for a shell; empty where the timeline does not say what was used."""
    provenance = timeline.provenance
    if "checkpoint" not in provenance or "transcriber" not in provenance:
        return ""
    command = ["python", "-m", "sentiment", "analyze", str(timeline.video["name"]), "--out", "results"]
    command += ["--whisper", str(provenance["transcriber"]["model"])]
    if language := provenance.get("settings", {}).get("language"):
        command += ["--language", str(language)]
    return shlex.join(command)
