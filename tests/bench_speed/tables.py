"""The figures as tables, for assets/bench and for the README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"

OUR_STAGES: Final = (
    *("sound", "recognition", "frames", "faces", "speech encoder"),
    *("voice network", "BERT", "R3D-18"),
)


def to_markdown(figures: dict[str, Any]) -> str:
    """All tables, one after the other."""
    parts = [machine_line(figures), lengths_table(figures), bars_table(figures), stages_table(figures)]
    parts += [usual_table(figures), alone_table(figures)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_into_readme(path: Path, figures: dict[str, Any]) -> None:
    """Replaces what stands between the marks; raises ValueError where there are none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} and {END}")
    tables = "\n\n".join([machine_line(figures), lengths_table(figures), bars_table(figures)])
    path.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", encoding="utf-8")


def machine_line(figures: dict[str, Any]) -> str:
    """What was measured on."""
    machine = figures["machine"]
    features = ", ".join(machine["cpu_features"])
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    return (
        f"{machine['cpu']} (family and model {machine['cpu_family_and_model']}; {features}), {machine['cores']} cores, "
        f"{machine['threads']} threads, {machine['memory_gb']} GB; Python {machine['python']}; {libraries}. "
        f"Medians of {figures['pairs']} paired runs, of one where the video is longer than 70 s. "
        f"Load of the machine when it began: {machine['load_average_before']:.1f}."
    )


def lengths_table(figures: dict[str, Any]) -> str:
    """One row for each length."""
    header = ("video", "seconds", "of real time", "first segment", "peak memory", "the usual way", "times faster")
    rows = []
    for name, clip in figures["clips"].items():
        ours, usual = clip["ours"], clip.get("usual")
        rows.append(
            (
                name,
                f"{ours['seconds']:.1f} s",
                f"{ours['seconds'] / ours['duration_seconds']:.3f}",
                f"{ours['first_segment_seconds']:.1f} s",
                f"{ours['peak_memory_mb']:.0f} MB + decoder {ours['children_peak_memory_mb']:.0f} MB",
                f"{usual['seconds']:.1f} s" if usual else "not measured",
                f"{clip['times_faster']:.1f}" if usual else "–",
            )
        )
    return _table(header, rows)


def bars_table(figures: dict[str, Any]) -> str:
    """Figures that are not of one length alone."""
    clip, alone = figures["clips"]["70 s"], figures["stages_alone"]
    agreements = [run["agreement"] for run in alone["runs"]]
    rows = [
        ("whole path over the sum of its stages alone", f"{alone['whole_over_bare']:.2f}"),
        ("command to page answering, warm disk", f"{figures['start_seconds']['median']:.1f} s"),
        (
            f"first segment of the {figures['first_on_screen']['video']} video on the screen, in a browser",
            f"{figures['first_on_screen']['seconds']:.1f} s",
        ),
        (
            f"same top labels as the plain float32 path, of {agreements[0]['answers']:,} answers",
            f"{median([a['same_share'] for a in agreements]):.2%}",
        ),
    ]
    if "usual" in clip:
        errors = clip["ours"]["word_error"], clip["usual"]["word_error"]
        rows.append(("word error, 70 s: ours, plain Whisper (float32, five beams)", "{:.1%}, {:.1%}".format(*errors)))
    if {"1 min", "60 min"} <= figures["clips"].keys():
        long, short = (figures["clips"][name]["ours"]["peak_memory_mb"] for name in ("60 min", "1 min"))
        rows.append(("peak memory, 60 min over 1 min", f"{long - short:+.0f} MB"))
    return _table(("what", "figure"), rows)


def stages_table(figures: dict[str, Any]) -> str:
    """Seconds that our way spends in each stage; recognition goes on beside the others."""
    clips = figures["clips"]
    rows = [
        (stage, *(f"{clip['ours']['stage_seconds'][stage]:.2f}" for clip in clips.values())) for stage in OUR_STAGES
    ]
    return "Seconds per stage; recognition runs beside the others:\n\n" + _table(("stage", *clips), rows)


def usual_table(figures: dict[str, Any]) -> str:
    """The same of the usual way."""
    clips = {name: clip["usual"] for name, clip in figures["clips"].items() if "usual" in clip}
    if not clips:
        return ""
    stages = next(iter(clips.values()))["stage_seconds"]
    rows = [(stage, *(f"{usual['stage_seconds'][stage]:.2f}" for usual in clips.values())) for stage in stages]
    rows.append(("peak memory, MB", *(f"{usual['peak_memory_mb']:.0f}" for usual in clips.values())))
    return "Seconds per stage of the usual way:\n\n" + _table(("stage", *clips), rows)


def alone_table(figures: dict[str, Any]) -> str:
    """Each stage with nothing around it, on the 70 s clip."""
    runs = figures["stages_alone"]["runs"]
    stages = runs[0]["bare_seconds"]
    rows = [(stage, f"{median([run['bare_seconds'][stage] for run in runs]):.2f}") for stage in stages]
    rows.append(("the whole path", f"{median([run['whole_seconds'] for run in runs]):.2f}"))
    return "Seconds of each stage alone, 70 s clip:\n\n" + _table(("stage", "seconds"), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
