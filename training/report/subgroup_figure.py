"""Subgroups as a forest plot: whether the figure holds in each of them."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from training.report import style
from training.report.numbers import interval
from training.report.style import Picture

_CAPTION = (
    "Subgroups of the test patients with 95 % intervals; the dotted line is the whole test set. A group with too few "
    "patients has no figure. Many groups are looked at: one interval off the line by itself proves nothing."
)
# Figures drawn side by side: key of SUBGROUP, title.
_COLUMNS = (("given_auc", "AUC, lesion given"), ("dice", "Dice"))


def subgroup_figure(subgroups: Sequence[dict[str, Any]], *, overall: dict[str, float | None]) -> Picture:
    """Draw AUC and Dice of each subgroup.

    Parameters
    ----------
    subgroups
        `SUBGROUP`s of `training.evaluation_figures`, at least one.
    overall
        The same figures of all, by the same names; None where there is none.
    """
    rows = range(len(subgroups) - 1, -1, -1)
    with style.drawing():
        figure = style.new_figure(7.6, 1.1 + 0.27 * len(subgroups))
        panels = figure.subplots(1, len(_COLUMNS), sharey=True, squeeze=False)[0]
        for axes, (name, title) in zip(panels, _COLUMNS, strict=True):
            _column(axes, [group.get(name) for group in subgroups], rows, overall.get(name))
            axes.set_title(title)
        panels[0].set_yticks(rows, [_label(group) for group in subgroups])
        panels[0].set_ylim(-0.7, len(subgroups) - 0.3)
        told = "; ".join(f"{_label(group)}: {interval(group.get('given_auc'))}" for group in subgroups)
        return style.vector(figure, alt=f"AUC with the lesion given, by subgroup. {told}.", caption=_CAPTION)


def _column(
    axes: Axes,
    values: Sequence[dict[str, Any] | None],
    rows: Sequence[int],
    whole: float | None,
) -> None:
    for value, row in zip(values, rows, strict=True):
        if not value or value["value"] is None:
            axes.text(0.5, row, "too few", ha="center", va="center", fontsize=7, color=style.GREY)
            continue
        ends = [value["value"] if value[end] is None else value[end] for end in ("low", "high")]
        axes.plot(ends, (row, row), color=style.BLUE, linewidth=1.4)
        axes.plot(value["value"], row, "s", color=style.BLUE, markersize=5)
    if whole is not None:
        axes.axvline(whole, color=style.INK, linestyle=":", linewidth=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "0.25", "0.5", "0.75", "1"))
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)


def _label(group: dict[str, Any]) -> str:
    return style.plain(f"{group['by']}: {group['group']} ({group['patients']})")
