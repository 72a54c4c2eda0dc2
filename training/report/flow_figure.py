"""The flow chart of patients and images, as the paper's Fig. 1."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from training.cohort import Exclusion, FlowStep
from training.report import style
from training.report.style import Picture
from training.report.tables import Table, table

_CAPTION = (
    "From what was there to what is used, as the paper's Fig. 1; the reasons for what was left out are in the table."
)
_BOX_IN = 0.85


def flow_figure(steps: Sequence[FlowStep]) -> Picture:
    """Draw one box for each step, and at its side what was left out before the next; at least one step."""
    with style.drawing():
        figure = style.new_figure(7.0, _BOX_IN * len(steps) + 0.2)
        axes = figure.subplots()
        axes.set(xlim=(0, 10), ylim=(-len(steps) + 0.4, 0.6))
        axes.set_axis_off()
        for place, step in enumerate(steps):
            _box(axes, 2.9, -place, f"{style.plain(step.name)}\n{_counts(step.patients, step.images)}", bold=True)
        for place, (before, after) in enumerate(pairwise(steps)):
            _arrow(axes, start=(2.9, -place - 0.28), end=(2.9, -place - 0.72))
            patients, images = before.patients - after.patients, before.images - after.images
            if patients > 0 or images > 0:
                _arrow(axes, start=(2.9, -place - 0.5), end=(5.9, -place - 0.5))
                _box(axes, 7.6, -place - 0.5, f"left out: {_counts(patients, images)}", bold=False)
        told = "; ".join(f"{step.name}: {_counts(step.patients, step.images)}" for step in steps)
        return style.vector(figure, alt=f"Flow chart. {told}.", caption=_CAPTION)


def exclusion_table(exclusions: Sequence[Exclusion]) -> Table | None:
    """Count the exclusions by what was left out and why, the commonest first; None if nothing was left out."""
    counts = Counter((exclusion.subject, exclusion.reason) for exclusion in exclusions)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((reason.replace("_", " "), subject, str(count)) for (subject, reason), count in ordered)
    return table("What was left out, by reason.", ("reason", "what", "number"), rows) if rows else None


def _counts(patients: int, images: int) -> str:
    return f"{patients} patient{'s' * (patients != 1)}, {images} image{'s' * (images != 1)}"


def _box(axes: Axes, x: float, y: float, text: str, *, bold: bool) -> None:
    shape = {"boxstyle": "round,pad=0.4", "facecolor": "#eef4fa" if bold else "white", "edgecolor": style.INK}
    axes.text(x, y, text, ha="center", va="center", fontsize=9 if bold else 8, bbox=shape)


def _arrow(axes: Axes, *, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": style.INK, "linewidth": 1})
