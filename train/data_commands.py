"""The commands that get data ready: python -m train download | prepare."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from train.corpora import meld
from train.errors import DataError


def add_commands(commands: Any) -> None:
    """Adds both to the commands of `python -m train`; `commands` is what argparse's add_subparsers gives."""
    download = commands.add_parser("download", help="fetch a corpus with its clips: 11 GB, and as much again unpacked")
    download.add_argument("corpus", choices=(meld.NAME,))
    download.add_argument("--to", type=Path, required=True, metavar="DIR", help="the data folder")
    download.add_argument(
        "--from", dest="source", metavar="URL", help="another address, or a file that is here already"
    )
    download.set_defaults(run=_download)

    prepare = commands.add_parser("prepare", help="decode MELD's clips once, so that training need not")
    prepare.add_argument("--data", type=Path, required=True, help="folder that holds MELD's CSV files and clips")
    prepare.add_argument("--recipe", default="meld", help="whose clip settings count (default: meld)")
    prepare.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core); 0: none but this"
    )
    prepare.set_defaults(run=_prepare)


def _download(options: argparse.Namespace) -> None:
    from train.download import MELD_URLS, download_meld

    try:
        download_meld(options.to, (options.source,) if options.source else MELD_URLS)
    except KeyboardInterrupt:
        raise DataError("Interrupted. What has arrived is kept; the same command goes on from there.") from None


def _prepare(options: argparse.Namespace) -> None:
    from train.prepare import describe_report, prepare
    from train.settings import load_recipe

    try:
        report = prepare(options.data, load_recipe(options.recipe).clip, options.workers)
    except KeyboardInterrupt:
        raise DataError("Interrupted. What is decoded is kept; the same command goes on from there.") from None
    print(describe_report(report))
