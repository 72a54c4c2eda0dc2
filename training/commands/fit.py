"""`dcis-train fit`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from dcis_node.errors import TrainingError
from training.commands.console import RESEARCH_USE, console, refusals

_COHORT = typer.Option(help="Folder of `dcis-train import`.")
_SPLITS = typer.Option(help="Of `dcis-train split`. Not with --pretrain.")
_RUN = typer.Option(help="Folder of the run: crops, checkpoints, logs, weights. A run that died goes on from it.")
_RECIPE = typer.Option(help="paper, width16, demo, quick, or a .toml file.")
_SCENARIO = typer.Option(help="grade: III against I/II, pure DCIS. upstage: III and/or occult invasive cancer.")
_FOLD = typer.Option(min=1, help="Fit this fold only; may be given several times. Default: all.")
_SEED = typer.Option(min=0, help="Equal seeds give equal weights on a CPU.")
_PRETRAIN = typer.Option("--pretrain", help="Train the recipe's pretraining stages on all patients of the cohort.")
_FROM = typer.Option(help="Run of such a pretraining: every fold starts from its weights.")
_EXTRA = typer.Option(help="Folder of a further cohort that trains in every fold and validates in none.")
_BATCH = typer.Option(help="Crops per step: a number, or auto = the largest that fits. The learning rate scales.")
_MICRO = typer.Option(min=1, help="Crops at once; the rest of a batch is accumulated. Default: as many as fit.")
_PROCESSES = typer.Option(min=1, help="Folds at once, each in a process of its own.")
_THREADS = typer.Option(min=1, help="Threads of each process. Two processes of one do more than one of two.")
_DEVICE = typer.Option(help="auto, cpu, cuda or cuda:N.")
_COMPILE = typer.Option("--compile/--no-compile", help="Compile the network. Default: on a GPU.")
_QUIET = typer.Option("--quiet", help="Write nothing to the terminal.")


def fit(
    cohort: Annotated[Path, _COHORT],
    run: Annotated[Path, _RUN],
    splits: Annotated[Path | None, _SPLITS] = None,
    scenario: Annotated[str, _SCENARIO] = "upstage",
    recipe: Annotated[str, _RECIPE] = "paper",
    fold: Annotated[list[int] | None, _FOLD] = None,
    seed: Annotated[int, _SEED] = 1,
    pretrain: Annotated[bool, _PRETRAIN] = False,  # noqa: FBT002 - typer's options are parameters with defaults
    from_pretrained: Annotated[Path | None, _FROM] = None,
    extra: Annotated[Path | None, _EXTRA] = None,
    batch: Annotated[str | None, _BATCH] = None,
    micro_batch: Annotated[int | None, _MICRO] = None,
    processes: Annotated[int, _PROCESSES] = 1,
    threads: Annotated[int, _THREADS] = 1,
    device: Annotated[str, _DEVICE] = "auto",
    compiled: Annotated[bool | None, _COMPILE] = None,
    quiet: Annotated[bool, _QUIET] = False,  # noqa: FBT002
) -> None:
    """Fit one fold, some, or all; goes on where it stopped, to the same result. RESEARCH USE ONLY.

    Several GPUs fit one fold with: torchrun --nproc-per-node 2 --no-python -- dcis-train fit ...
    """
    # torch and scikit-learn take seconds, which `--help` need not wait for.
    from training.claim import FitRequest  # noqa: PLC0415
    from training.commands.fit_bars import FitBars  # noqa: PLC0415
    from training.fitting import fit_request  # noqa: PLC0415
    from training.recipes import load_recipe  # noqa: PLC0415

    where = console()
    with refusals(where):
        request = FitRequest(
            cohort=cohort,
            splits=splits,
            run=run,
            recipe=load_recipe(recipe),
            scenario=scenario,
            seed=seed,
            folds=tuple(fold or ()),
            pretrain=pretrain,
            from_pretrained=from_pretrained,
            extra=extra,
            batch=_batch(batch),
            micro=micro_batch,
            processes=processes,
            threads=threads,
            device=device,
            compiled=compiled,
        )
        # Of the processes that torchrun starts one tells.
        if quiet or os.environ.get("RANK", "0") != "0":
            fit_request(request)
            return
        with FitBars(where) as bars:
            made = fit_request(request, report=bars.fitted, cut=bars.cut)
        for number in made.numbers:
            done = made.done(number)
            if done is not None:
                where.print(_words(made.fold_folder(number).name, done), highlight=False)
        where.print(("SYNTHETIC. " if made.synthetic else "") + RESEARCH_USE, highlight=False)


def _batch(word: str | None) -> int | None:
    """Read --batch: None = the recipe's, 0 = what fits."""
    if word is None or word == "auto":
        return None if word is None else 0
    if not word.isdecimal() or int(word) < 1:
        raise TrainingError(f"--batch takes a number from 1, or auto, not {word!r}")
    return int(word)


def _words(name: str, done: dict[str, object]) -> str:
    if done["dice"] is None:
        return f"{name}: {done['training_patients']} patients trained, none validate"
    return f"{name}: Dice {done['dice']}, AUC over {done['validation_patients']} patients {done['patient_auc']}"
