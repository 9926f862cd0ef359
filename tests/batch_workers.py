"""Workers of a batch that fail in ways that no small file brings about. Imported by Ray's processes: keep it light."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from sentiment.batch_worker import Analyst


class FragileAnalyst(Analyst):
    """Dies of files called "kills…", meets an error of the program in files called "trips…", and reads all others."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        path = Path(os.fsdecode(row["path"]))
        with path.with_suffix(".tries").open("a") as tries:
            tries.write("x")
        if path.name.startswith("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        if path.name.startswith("trips"):
            raise RuntimeError("a mistake in the program")
        return super().__call__(row)
