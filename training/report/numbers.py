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


def interval(values: Mapping[str, Any] | None, *, digits: int = 3) -> str:
    """Give a figure with its 95 % interval, as `0.812 (0.750 to 0.870)`."""
    if not values or values["value"] is None:
        return NONE
    if values["low"] is None or values["high"] is None:
        return number(values["value"], digits=digits)
    return f"{values['value']:.{digits}f} ({values['low']:.{digits}f} to {values['high']:.{digits}f})"


def share(values: Mapping[str, Any] | None) -> str:
    """Give a share with its 95 % interval in percent, as `90.9 % (84.1 to 95.2)`."""
    if not values or values["value"] is None:
        return NONE
    if values["low"] is None or values["high"] is None:
        return percent(values["value"])
    return f"{100 * values['value']:.1f} % ({100 * values['low']:.1f} to {100 * values['high']:.1f})"
