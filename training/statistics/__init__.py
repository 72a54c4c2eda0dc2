"""The figures: numbers in, numbers out. One idea per file; this names the common ones."""

from training.statistics.calibration_figures import brier, expected_calibration_error
from training.statistics.confusion import Confusion, confusion
from training.statistics.interval import Interval, rounded
from training.statistics.operating import operating_point
from training.statistics.overlap import dice
from training.statistics.roc import auroc

__all__ = [
    "Confusion",
    "Interval",
    "auroc",
    "brier",
    "confusion",
    "dice",
    "expected_calibration_error",
    "operating_point",
    "rounded",
]
