"""The week as a picture: what waits, how full the disk is, and how large the processes are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.week_plan import AWAY, FULL, HOURS, KILL, RESTART, Trouble

COLOURS = {AWAY: "tab:orange", FULL: "tab:red", RESTART: "tab:blue", KILL: "black"}
NIGHT = (19.5, 31.5)  # half past seven in the evening to half past seven in the morning


@dataclass(frozen=True)
class Sample:
    """One look at the node; `at` in hours of the week, memory and disk in MiB.

    Parameters
    ----------
    waiting
        As of `benchmarks.accounts.waiting`, and `modalities`: parcels that nobody has taken yet.
    memory
        By process; its own process id tells one life from the next.
    """

    at: float
    waiting: dict[str, int]
    disk_mib: float
    store_mib: float
    memory: dict[str, tuple[int, float]] = field(default_factory=dict)


def draw(
    path: Path,
    samples: Sequence[Sample],
    happened: Sequence[Trouble],
    *,
    title: str,
    bound_mib: float,
    capacity_mib: float,
) -> None:
    """Draw the week into a PNG."""
    import matplotlib as mpl  # noqa: PLC0415 -- of the extra `train`; a run without --plot does without

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(4, 1, figsize=(11, 10), sharex=True, height_ratios=(3, 3, 2, 2))
    days = [sample.at / HOURS for sample in samples]

    def line(axis: object, name: str, label: str, colour: str) -> None:
        values = [sample.waiting.get(name, 0) for sample in samples]
        axis.plot(days, values, label=label, color=colour, linewidth=1.2)

    line(axes[0], "views", "views to be analysed", "tab:blue")
    line(axes[0], "exams", "exams open or due", "tab:green")
    line(axes[0], "modalities", "exams not taken yet (at the modalities)", "tab:red")
    line(axes[1], "outbox", "results to be sent", "tab:orange")
    line(axes[1], "unproven", "results sent, arrival not proven yet", "tab:purple")
    line(axes[1], "dead", "results given up", "black")
    axes[2].plot(days, [sample.store_mib for sample in samples], label="images, results, index", color="tab:brown")
    axes[2].axhline(bound_mib, color="tab:red", linestyle="--", linewidth=1, label="bound")
    if capacity_mib:
        axes[2].plot(days, [sample.disk_mib for sample in samples], color="0.6", linewidth=0.8, label="disk in use")
        axes[2].axhline(capacity_mib, color="0.4", linestyle=":", linewidth=1, label="size of the disk")
    for name in sorted({name for sample in samples for name in sample.memory}):
        mib = [sample.memory[name][1] if name in sample.memory else float("nan") for sample in samples]
        axes[3].plot(days, mib, label=name, linewidth=1.2)
    for axis, unit in zip(axes, ("count", "count", "MiB", "MiB"), strict=True):
        _frame(axis, happened, days=round(max(days, default=1.0) + 0.49), unit=unit)
    axes[0].set_title(title, fontsize=11)
    axes[-1].set_xlabel("day")
    _name_troubles(axes[0], happened)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _frame(axis: object, happened: Sequence[Trouble], *, days: int, unit: str) -> None:
    for day in range(-1, days):
        axis.axvspan(day + NIGHT[0] / HOURS, day + NIGHT[1] / HOURS, color="0.93", zorder=0)
    for one in happened:
        colour = COLOURS[one.name]
        if one.until > one.at:
            axis.axvspan(one.at / HOURS, one.until / HOURS, color=colour, alpha=0.25)
        else:
            axis.axvline(one.at / HOURS, color=colour, linewidth=1.2, linestyle="--")
    axis.set_xlim(0, days)
    axis.set_ylim(bottom=0)
    axis.set_ylabel(unit)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


def _name_troubles(axis: object, happened: Sequence[Trouble]) -> None:
    top = axis.get_ylim()[1]
    for one in happened:
        axis.text(
            one.at / HOURS,
            top * 0.98,
            f" {one.name}",
            color=COLOURS[one.name],
            fontsize=8,
            va="top",
            rotation=90,
            ha="right",
        )
