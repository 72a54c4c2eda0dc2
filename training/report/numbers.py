"""Figures as words: one form on the whole page and on the card."""

from collections.abc import Mapping
from typing import Any

# Said where a figure cannot be given: one class only, nobody, not judged.
NONE = "-"


def number(value: float | None, *, digits: int = 3) -> str:
    """Give a figure, or `-`."""
    return NONE if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """Give a share in percent, or `-`."""
    return NONE if value is None else f"{100 * value:.1f} %"


def interval(values: Mapping[str, Any] | None) -> str:
    """Give a figure with its 95 % interval, as `0.812 (0.750 to 0.870)`."""
    return _with_ends(values, "{:.3f}", " to ", 1)


def share(values: Mapping[str, Any] | None) -> str:
    """Give a share with its 95 % interval in percent, as `90.9 % (84.1 to 95.2)`."""
    return _with_ends(values, "{:.1f}", " to ", 100, unit=" %")


def short_interval(values: Mapping[str, Any] | None) -> str:
    """Give a figure with its 95 % interval where there is little room, as `0.81 (0.75-0.87)`."""
    return _with_ends(values, "{:.2f}", "-", 1)


def short_share(values: Mapping[str, Any] | None) -> str:
    """Give a share in whole percent where there is little room, as `91 % (84-95)`."""
    return _with_ends(values, "{:.0f}", "-", 100, unit=" %")


def _with_ends(values: Mapping[str, Any] | None, form: str, to: str, factor: int, *, unit: str = "") -> str:
    if not values or values["value"] is None:
        return NONE
    value = form.format(factor * values["value"]) + unit
    if values["low"] is None or values["high"] is None:
        return value
    return f"{value} ({form.format(factor * values['low'])}{to}{form.format(factor * values['high'])})"
