"""The commands publish, ablate and layers. What they need is imported when they run, so that --help is quick."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_publish(commands: Any) -> None:
    """Adds `publish` to the commands of `python -m train`; `commands` is what argparse's add_subparsers gives."""
    publish = commands.add_parser("publish", help="push a checkpoint and its card to the Hugging Face hub")
    publish.add_argument("--checkpoint", required=True, help="folder of the checkpoint or its run")
    publish.add_argument("--repo", required=True, metavar="OWNER/NAME", help="repository; made where it is missing")
    publish.add_argument("--private", action="store_true", help="where it is made: seen by its owner alone")
    publish.add_argument("--dry-run", action="store_true", help="list the files and their sizes; push nothing")
    publish.set_defaults(run=_publish)


def add_ablate(commands: Any) -> None:
    """Adds `ablate` in the same way."""
    ablate = commands.add_parser("ablate", help="compare ways of fusing on frozen encoders, as JSON on stdout")
    ablate.add_argument("--checkpoint", required=True, help="whose encoders are used; it keeps the figures")
    ablate.add_argument("--data", type=Path, required=True, help="folder with MELD's prepared clips")
    ablate.add_argument("--epochs", type=int, default=15, help="for each way of fusing (default: 15)")
    ablate.add_argument("--workers", type=int, default=0, help="processes that read clips")
    ablate.add_argument(
        "--beside", nargs="+", default=[], metavar="RUN", help="other evaluated checkpoints: a row for each"
    )
    ablate.set_defaults(run=_ablate)


def add_layers(commands: Any) -> None:
    """Adds `layers` in the same way."""
    layers = commands.add_parser(
        "layers", help="judge the layers of Whisper's encoder by the feelings they hear, as JSON"
    )
    layers.add_argument("--recipe", default="starter", help="a name in train/recipes, or a TOML file")
    layers.add_argument("--data", type=Path, required=True, help="folder that holds RAVDESS, zipped or unpacked")
    layers.set_defaults(run=_layers)


def _publish(options: argparse.Namespace) -> None:
    from sentiment.hub import HUB_PREFIX, find_own_checkpoint
    from train.publish import files_to_publish, publish

    files = files_to_publish(find_own_checkpoint(options.checkpoint))
    for name, content in files.items():
        size_bytes = len(content) if isinstance(content, bytes) else content.stat().st_size
        print(f"{size_bytes:>13,} bytes  {name}", file=sys.stderr)
    if options.dry_run:
        print(f"dry run: nothing was pushed to {options.repo}", file=sys.stderr)
        return
    print(publish(files, options.repo, options.private))
    print(f"load it with: python app.py --checkpoint {HUB_PREFIX}{options.repo}", file=sys.stderr)


def _ablate(options: argparse.Namespace) -> None:
    import torch

    from sentiment.checkpoint import load_checkpoint, update_metrics
    from sentiment.hub import find_checkpoint, find_own_checkpoint
    from train.ablation import Budget, compare_fusions, encoder_row
    from train.fit import write_model_card

    folder = find_own_checkpoint(options.checkpoint)
    rows = [encoder_row(run) for run in (folder, *(find_checkpoint(run) for run in options.beside))]
    checkpoint = load_checkpoint(folder, "cuda" if torch.cuda.is_available() else "cpu")
    figures = compare_fusions(checkpoint, options.data, Budget(epochs=options.epochs), options.workers)
    figures["encoders"] = [row for row in rows if row is not None]
    print(json.dumps(figures))
    update_metrics(folder, {"ablation": figures})
    write_model_card(folder)


def _layers(options: argparse.Namespace) -> None:
    from train.settings import load_recipe
    from train.speech_layers import judge_layers

    print(json.dumps(judge_layers(load_recipe(options.recipe), options.data)))
