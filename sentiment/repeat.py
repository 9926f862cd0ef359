"""What it takes to get the same result again, from the provenance that every timeline carries."""

from __future__ import annotations

import shlex

from sentiment.datatypes import Timeline
from sentiment.plain_text import video_name


def repeat_command(timeline: Timeline) -> str:
    """The command line that analysed the file, for a shell; empty where the timeline does not say what was used."""
    provenance = timeline.provenance
    if "checkpoint" not in provenance or "transcriber" not in provenance:
        return ""
    name = video_name(timeline)
    file = f"./{name}" if name.startswith("-") else name  # else it would be read as an option
    command = ["python", "-m", "sentiment", "analyze", file, "--out", "results"]
    command += ["--whisper", str(provenance["transcriber"]["model"])]
    if language := provenance.get("settings", {}).get("language"):
        command += ["--language", str(language)]
    return shlex.join(command)
