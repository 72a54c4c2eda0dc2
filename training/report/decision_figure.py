"""Decision curve: what acting on the probability is worth, at each threshold at which somebody would act.

Vickers and Elkin, Med Decis Making 2006, 26:565. The paper says that it lacks a risk-benefit analysis (Discussion).
"""

from collections.abc import Sequence

from matplotlib.axes import Axes

from training.report import style
from training.report.readings import Reading
from training.report.style import Picture

_CAPTION = (
    "Decision curve: true positives less false ones, these weighted by t / (1 - t), per patient. At a threshold t, one "
    "missed high-risk patient weighs as much as (1 - t) / t needless operations; where the model's line is above both "
    "others, acting on it is worth more than treating all alike."
)


def decision_figure(readings: Sequence[Reading]) -> Picture:
    """Draw the net benefit of the model, of calling all high, and of calling none high."""
    with style.drawing():
        figure = style.new_figure(3.7 * len(readings) + 0.2, 3.7)
        for place, reading in enumerate(readings, start=1):
            _draw(figure.add_subplot(1, len(readings), place), reading)
        return style.vector(figure, alt=_alt(readings), caption=_CAPTION)


def _draw(axes: Axes, reading: Reading) -> None:
    rows = reading.figures["decision_curve"]
    thresholds = [row["threshold"] for row in rows]
    model, everyone, none = ([row[name] for row in rows] for name in ("model", "all", "none"))
    axes.plot(thresholds, everyone, color=style.GREY, linewidth=1.3, linestyle="--", label="call all high")
    axes.plot(thresholds, none, color=style.INK, linewidth=1.1, linestyle=":", label="call none high")
    axes.plot(thresholds, model, color=style.COLOURS[reading.kind], linewidth=2, label="the model")
    point = reading.figures.get("operating")
    if point:
        axes.axvline(point["threshold"], color=style.GREEN, linewidth=1, linestyle="-.", label="operating point")
    share = float(reading.labels.mean())
    # Calling all high sinks without end; what matters lies between a little below 0 and the share at high risk.
    lowest = min(-0.2 * share, *(value for value in model if value is not None))
    axes.set(
        xlim=(0, max(thresholds)),
        ylim=(max(lowest, -share) - 0.02, 1.1 * share + 0.01),
        xlabel="threshold probability",
        ylabel="net benefit per patient",
    )
    axes.set_title(reading.name)
    axes.grid(visible=True)
    axes.legend(fontsize=8)


def _alt(readings: Sequence[Reading]) -> str:
    told = []
    for reading in readings:
        rows = reading.figures["decision_curve"]
        better = [row["threshold"] for row in rows if row["model"] > max(row["all"], row["none"])]
        words = f"thresholds from {min(better):.2f} to {max(better):.2f}" if better else "no threshold"
        told.append(f"{reading.name}: the model is worth more than both alternatives at {words}")
    return f"Decision curves. {'; '.join(told)}."
