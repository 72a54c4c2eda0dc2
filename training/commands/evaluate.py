"""`dcis-train evaluate`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.judging_bar import judging_bar


def evaluate(
    bundle: Annotated[str, typer.Option(help="Folder of the bundle; `demo` is the one shipped with the node.")],
    cohort: Annotated[Path, typer.Option(help="Folder of cohort.json.")],
    splits: Annotated[Path, typer.Option(help="splits.json of that cohort.")],
    out: Annotated[Path, typer.Option(help="Folder of the evaluation; one that was stopped goes on.")],
    images: Annotated[Path | None, typer.Option(help="Where the image files are now, if they were moved.")] = None,
    champion: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--champion", help="A bundle made from another cohort, judged on this locked test set.")
    ] = False,
    given_only: Annotated[  # noqa: FBT002
        bool, typer.Option("--given-only", help="No sweeps: the paper's half of the figures only, in minutes.")
    ] = False,
    healthy_patients: Annotated[
        int | None, typer.Option(min=0, help="Sweep the healthy views of so many test patients. Default: of all.")
    ] = None,
    npv: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="What a low call must be worth at the point asked for.")
    ] = 0.909,
    truth: Annotated[
        Path | None, typer.Option(help="truth.csv of a synthetic hospital, to give the oracle's bound beside.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    processes: Annotated[
        int, typer.Option(min=0, help="Single-thread processes at once: free cores. 0: in this one.")
    ] = 2,
    as_json: Annotated[  # noqa: FBT002
        bool, typer.Option("--json", help="All figures on standard output.")
    ] = False,
) -> None:
    """Judge a bundle on the held-out test set: the lesion given, and the lesion found. RESEARCH USE ONLY.

    Refused: a bundle made from another cohort or other splits, test images that made the bundle, an edited file.
    """
    # torch, scipy and scikit-learn take seconds to load: not for --help.
    from training.bundle_word import bundle_folder_of  # noqa: PLC0415
    from training.testing import EvaluationRequest, evaluate_bundle  # noqa: PLC0415

    where = console()
    with refusals(where), judging_bar(where) as bar:
        request = EvaluationRequest(
            bundle=bundle_folder_of(bundle),
            cohort=cohort,
            splits=splits,
            images=images,
            champion=champion,
            given_only=given_only,
            healthy_patients=healthy_patients,
            npv=npv,
            truth=truth,
        )
        made = evaluate_bundle(
            request,
            out,
            now=datetime.now(UTC),
            device=device,
            processes=processes,
            progress=lambda done, total: bar("test patients", done, total),
        )
    where.print(RESEARCH_USE)
    if made.synthetic:
        where.print("SYNTHETIC: phantoms are part of it; none of these is a clinical figure")
    typer.echo(json.dumps(made.figures, indent=1) if as_json else "\n".join(_lines(made.figures)))
    where.print(f"evaluation {made.sha256} in {out}; leak check: {made.leak_check}", highlight=False)


def _lines(figures: dict[str, Any]) -> list[str]:
    lines = [f"{figures['patients']} patients, {figures['high_risk']} high risk, scenario {figures['scenario']}"]
    lines += [f"lesion {side}: {_side(figures[side])}" for side in ("given", "found") if figures[side]]
    place = figures["localisation"]
    if place:
        hit, marks = _interval(place["hit_rate_first"]), _interval(place["false_marks_per_view"])
        lines.append(f"first mark right {hit}, false marks per view {marks}")
    return lines


def _side(side: dict[str, Any]) -> str:
    at = side["operating"]
    return (
        f"AUC {_interval(side['auc'])}, Dice {_interval(side['dice']['mean'])}, at {at['threshold']}: "
        f"PPV {_interval(at['ppv'])}, NPV {_interval(at['npv'])}; ECE {_interval(side['ece'])}"
    )


def _interval(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "none"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"
