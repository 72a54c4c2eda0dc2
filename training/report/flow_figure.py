"""The flow chart of patients and images, as the paper's Fig. 1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from training.cohort import Exclusion, FlowStep
from training.importing.flow import LAST
from training.report import style
from training.report.style import Picture
from training.report.tables import Table, table

_CAPTION = "From what was there to what is used, as the paper's Fig. 1: at the right what was left out, and why."
_LEFT_OUT = " left out: "
# Of an import's step whose reason is written beside the chart; the chart has columns at these places.
_MIDDLE, _SIDE, _PARTS = 3.4, 6.9, (1.6, 5.2, 8.4)
_MAIN_ROW, _SIDE_ROW = 1.0, 0.55


@dataclass(frozen=True)
class _Box:
    text: str
    x: float
    y: float
    kind: str  # `main`, `side`, `part`


def flow_figure(steps: Sequence[FlowStep]) -> Picture:
    """Draw a box for each step, at its side what was left out, and below the parts of the cohort; at least one step."""
    boxes = _place(steps)
    lowest = min(box.y for box in boxes)
    with style.drawing():
        figure = style.new_figure(7.4, 0.72 * (0.9 - lowest))
        axes = figure.subplots()
        axes.set(xlim=(0, 10), ylim=(lowest - 0.4, 0.4))
        axes.set_axis_off()
        _draw_lines(axes, boxes)
        for box in boxes:
            _draw_box(axes, box)
        told = "; ".join(box.text.replace("\n", ": ") for box in boxes)
        return style.vector(figure, alt=f"Flow chart. {told}.", caption=_CAPTION)


def exclusion_table(exclusions: Sequence[Exclusion]) -> Table | None:
    """Count the exclusions by what was left out and why, the commonest first; None if nothing was left out."""
    counts = Counter((exclusion.subject, exclusion.reason) for exclusion in exclusions)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((reason.replace("_", " "), subject, str(count)) for (subject, reason), count in ordered)
    return table("What was left out, by reason.", ("reason", "what", "number"), rows) if rows else None


def _place(steps: Sequence[FlowStep]) -> list[_Box]:
    """Lay the boxes out from above; what follows the whole cohort are its parts, side by side."""
    boxes: list[_Box] = []
    y, parts = 0.0, 0
    for place, step in enumerate(steps):
        before = steps[place - 1] if place else step
        lost = (before.patients - step.patients, before.images - step.images)
        if parts or (place and before.name == LAST):
            y -= 0.0 if parts else _MAIN_ROW
            boxes.append(_Box(_main_text(step), _PARTS[min(parts, len(_PARTS) - 1)], y, "part"))
            parts += 1
            continue
        if place and (_LEFT_OUT in step.name or any(number > 0 for number in lost)):
            y -= _SIDE_ROW if boxes[-1].kind == "side" else 0.8 * _MAIN_ROW
            reason = step.name.split(_LEFT_OUT)[1].replace("_", " ") if _LEFT_OUT in step.name else "left out"
            boxes.append(_Box(f"{style.plain(reason)}: {_counts(*lost)}", _SIDE, y, "side"))
        if _LEFT_OUT not in step.name:
            y -= (0.8 * _MAIN_ROW if boxes[-1].kind == "side" else _MAIN_ROW) if boxes else 0.0
            boxes.append(_Box(_main_text(step), _MIDDLE, y, "main"))
    return boxes


def _main_text(step: FlowStep) -> str:
    return f"{style.plain(step.name)}\n{_counts(step.patients, step.images)}"


def _counts(patients: int, images: int) -> str:
    return f"{patients} patient{'s' * (patients != 1)}, {images} image{'s' * (images != 1)}"


def _draw_lines(axes: Axes, boxes: Sequence[_Box]) -> None:
    """Draw the lines first, so that the boxes lie upon them: only what is between two boxes is seen."""
    above: _Box | None = None
    for box in boxes:
        if box.kind == "side":
            _arrow(axes, start=(_MIDDLE, box.y), end=(_SIDE - 1.75, box.y))
        elif above is not None:
            _arrow(axes, start=(above.x, above.y), end=(box.x, box.y + 0.3))
        above = box if box.kind == "main" else above
    if boxes[-1].kind == "side" and above is not None:
        axes.plot((above.x, above.x), (above.y, boxes[-1].y), color=style.INK, linewidth=1, zorder=1)


def _draw_box(axes: Axes, box: _Box) -> None:
    side = box.kind == "side"
    shape = {"boxstyle": "round,pad=0.4", "facecolor": "white" if side else "#eef4fa", "edgecolor": style.INK}
    x, align = (_SIDE - 1.6, "left") if side else (box.x, "center")
    axes.text(x, box.y, box.text, ha=align, va="center", fontsize=8 if side else 9, bbox=shape, zorder=3)


def _arrow(axes: Axes, *, start: tuple[float, float], end: tuple[float, float]) -> None:
    shape = {"arrowstyle": "-|>", "color": style.INK, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=shape, zorder=1)
