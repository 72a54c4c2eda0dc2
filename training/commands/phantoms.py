"""`dcis-train phantoms`."""

from pathlib import Path
from typing import Annotated

import typer

from dcis_node.errors import TrainingError
from training.commands.console import RESEARCH_USE, console, refusals


def phantoms(
    out: Annotated[Path, typer.Option(help="New folder: of the hospital, or of the cohort with --on-demand.")],
    patients: Annotated[int, typer.Option(min=1, help="How many; the odd ones are among them.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Cohorts of two seeds share nobody.")] = 1,
    first: Annotated[int, typer.Option(min=0, max=9_999_999, help="Number of the first patient within the seed.")] = 0,
    vendors: Annotated[str, typer.Option(help="Mix of detectors, such as hologic=0.5,ge=0.5.")] = "",
    odd: Annotated[
        int | None, typer.Option(min=0, help="Patients with something odd, mostly to be excluded; default 5 on disk.")
    ] = None,
    size: Annotated[str, typer.Option(help="ROWSxCOLUMNS of a small detector, for a quick trial of the chain.")] = "",
    processes: Annotated[int, typer.Option(min=1, help="Patients that are rendered at once.")] = 2,
    on_demand: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--on-demand", help="Write a cohort whose images are drawn when they are needed: no files.")
    ] = False,
) -> None:
    """Make SYNTHETIC patients on disk, just as a hospital's would look: DICOM, annotations, clinical table.

    RESEARCH USE ONLY. Nothing that is learnt or measured on them says anything of patients. A patient takes about
    4 seconds of a core, and 16 MB. With --on-demand it is a cohort at once, without `dcis-train import`.
    """
    # The phantom generator and the writers of annotations take seconds to load: not for --help.
    from rich.progress import Progress  # noqa: PLC0415

    from training.hospital import make_hospital  # noqa: PLC0415
    from training.phantom_cohort import PhantomPlan, make_phantom_cohort, read_size, read_vendors  # noqa: PLC0415

    where = console()
    with refusals(where), Progress(console=where) as bars:
        plan = PhantomPlan(patients, seed, first, read_vendors(vendors), read_size(size))
        bar = bars.add_task("synthetic patients", total=patients)

        def report(done: int) -> None:
            bars.update(bar, completed=done)

        if on_demand:
            if odd:
                raise TrainingError("a cohort on demand has no files that could be odd; leave --odd away")
            made = make_phantom_cohort(out, plan, report=report)
            typer.echo(f"SYNTHETIC cohort {made.sha256} of {patients} patients in {out}")
        else:
            hospital = make_hospital(
                out, plan, odd=min(5, patients) if odd is None else odd, processes=processes, report=report
            )
            told = f"{hospital.patients} patients ({len(hospital.odd)} odd), {hospital.images} images"
            typer.echo(f"SYNTHETIC hospital of {told}, {hospital.annotations} annotations in {out}")
        where.print(RESEARCH_USE)
