"""The command line of training: python -m train fit | evaluate | crossvalidate | probe | ablate | publish | card."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from sentiment.errors import SentimentError, SettingsError
from train import data_commands, probes
from train.commands import add_ablate, add_layers, add_publish


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 2 after one line on stderr about what was wrong."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        options.run(options)
    except SentimentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description="Trains and evaluates the network.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data_commands.add_commands(commands)

    fit = commands.add_parser("fit", help="train a network by a recipe and write its checkpoint")
    fit.add_argument("--recipe", default="starter", help="a name in train/recipes, or a TOML file (default: starter)")
    fit.add_argument("--data", type=Path, required=True, help="folder that holds the corpora, zipped or unpacked")
    fit.add_argument("--run", dest="run_folder", type=Path, help="where finished parts are kept (default: runs/RECIPE)")
    fit.add_argument("--out", type=Path, help="folder of the checkpoint (default: RUN/checkpoint)")
    fit.set_defaults(run=_fit)

    evaluate = commands.add_parser("evaluate", help="measure a checkpoint on held-out data, as JSON on stdout")
    evaluate.add_argument("--checkpoint", required=True, help="folder of the checkpoint or its run, or hf://NAME")
    evaluate.add_argument("--data", type=Path, required=True, help="folder that holds the corpora, zipped or unpacked")
    evaluate.add_argument("--split", choices=("test", "selection"), default="test")
    evaluate.add_argument(
        "--transcribe", metavar="NAME", nargs="?", const="base", help="also read MELD's clips as Whisper hears them"
    )
    evaluate.add_argument("--workers", type=int, default=0, help="processes that read MELD's clips")
    evaluate.add_argument("--table", action="store_true", help="also print the figures on clips as tables, on stderr")
    evaluate.add_argument("--figures", type=Path, metavar="DIR", help="also draw the figures, as SVG, into this folder")
    evaluate.add_argument(
        "--store", action="store_true", help="also put the figures into the checkpoint and write its model card anew"
    )
    evaluate.set_defaults(run=_evaluate)

    crossvalidate = commands.add_parser("crossvalidate", help="judge the voice by actors left out in turn, as JSON")
    crossvalidate.add_argument("--recipe", default="starter", help="a name in train/recipes, or a TOML file")
    crossvalidate.add_argument("--data", type=Path, required=True, help="folder that holds RAVDESS, zipped or unpacked")
    crossvalidate.add_argument("--seeds", type=int, nargs="+", default=[1], help="one run over all folds for each")
    crossvalidate.add_argument("--checkpoint", help="also put the figures into this checkpoint")
    crossvalidate.add_argument(
        "--fused",
        action="store_true",
        help="also fuse every fold's voice with words and faces as --checkpoint reads them",
    )
    crossvalidate.set_defaults(run=_crossvalidate)

    probes.add_command(commands)
    add_layers(commands)
    add_ablate(commands)
    add_publish(commands)

    card = commands.add_parser("card", help="write a checkpoint's MODEL_CARD.md anew from its figures")
    card.add_argument("--checkpoint", required=True, help="folder of the checkpoint or its run")
    card.add_argument("--figures", type=Path, metavar="DIR", help="also draw its figures, as SVG, into this folder")
    card.add_argument(
        "--words-only", metavar="C", help="also put in how well this checkpoint, trained on words alone, was measured"
    )
    card.add_argument("--readme", type=Path, metavar="FILE", help="also put the table of figures into this README")
    card.set_defaults(run=_card)
    return parser


def _fit(options: argparse.Namespace) -> None:
    from train.fit import fit
    from train.settings import load_recipe

    recipe = load_recipe(options.recipe)
    run = options.run_folder or Path("runs") / recipe.name
    fit(recipe, options.data, run, options.out or run / "checkpoint")


def _evaluate(options: argparse.Namespace) -> None:
    import torch

    from sentiment.checkpoint import load_checkpoint, update_metrics
    from sentiment.hub import find_checkpoint, find_own_checkpoint
    from sentiment.transcription import load_transcriber
    from train.clips_card import clips_section
    from train.evaluate import evaluate
    from train.fit import write_model_card

    if options.store and options.split != "test":
        raise SettingsError("--store keeps what was measured on the test part; leave out --split.")
    folder = find_own_checkpoint(options.checkpoint) if options.store else find_checkpoint(options.checkpoint)
    transcriber = load_transcriber(options.transcribe) if options.transcribe else None
    checkpoint = load_checkpoint(folder, "cuda" if torch.cuda.is_available() else "cpu")
    figures = evaluate(checkpoint, options.data, options.split, transcriber, options.workers)
    print(json.dumps(figures))
    if options.table and "clips" in figures:
        print(clips_section(figures["clips"]), file=sys.stderr)
    if options.figures is not None:
        from train.plots import draw_figures

        draw_figures(figures, options.figures)
    if options.store:
        update_metrics(folder, figures)
        write_model_card(folder)


def _crossvalidate(options: argparse.Namespace) -> None:
    from sentiment.checkpoint import load_checkpoint, update_metrics
    from sentiment.hub import find_own_checkpoint
    from train.crossvalidate import cross_validate
    from train.settings import load_recipe

    if options.fused and options.checkpoint is None:
        raise SettingsError("--fused takes words and faces as a checkpoint reads them: name it with --checkpoint.")
    folder = None if options.checkpoint is None else find_own_checkpoint(options.checkpoint)
    around = load_checkpoint(folder) if options.fused and folder is not None else None
    figures = cross_validate(load_recipe(options.recipe), options.data, options.seeds, around)
    print(json.dumps(figures))
    if folder is not None:
        update_metrics(folder, {"cross_validation": figures})


def _card(options: argparse.Namespace) -> None:
    from sentiment.checkpoint import read_manifest, update_metrics
    from sentiment.hub import find_own_checkpoint
    from train.fit import write_model_card

    folder = find_own_checkpoint(options.checkpoint)
    if options.words_only is not None:
        other = find_own_checkpoint(options.words_only)
        measured = read_manifest(other)["metrics"]
        if set(measured) != {"text"}:
            raise SettingsError(
                f"{other} was measured on {', '.join(sorted(measured)) or 'nothing'}; expected is text alone."
            )
        update_metrics(folder, {"words_only": measured["text"]})
    if options.figures is not None:
        from train.plots import draw_figures

        draw_figures(read_manifest(folder)["metrics"], options.figures)
    if options.readme is not None:
        from train.readme_figures import write_into_readme

        write_into_readme(options.readme, read_manifest(folder)["metrics"])
    write_model_card(folder)


if __name__ == "__main__":
    sys.exit(main())
