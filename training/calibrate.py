"""Fit the calibration on patients that trained nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from dcis_node.model.calibration import Calibration

Floats = NDArray[np.float64]
_EDGE = 1e-6


def calibrated_means(raw: Sequence[Floats], calibration: Calibration) -> list[float]:
    """Give each patient's figure as the node makes it: calibrate each fold and view, then average.

    Parameters
    ----------
    raw
        Per patient (views, folds) probabilities as they leave the softmax.
    """
    return [float(_apply(values, calibration.slope, calibration.intercept).mean()) for values in raw]


def fit_calibration(raw: Sequence[Floats], labels: Sequence[int]) -> Calibration:
    """Find slope and intercept that make the patients' labels likeliest.

    The likelihood is that of the averaged figure, because that is the one shown: an average of well calibrated folds
    is under-confident. A weak pull towards slope 1 keeps few patients from giving an absurd line.

    Parameters
    ----------
    raw
        Per patient (views, folds) raw probabilities.
    labels
        1 = high risk.
    """
    y = np.asarray(labels, np.float64)

    def loss(values: Floats) -> float:
        slope, intercept = float(np.exp(values[0])), float(values[1])
        p = np.clip([_apply(patient, slope, intercept).mean() for patient in raw], _EDGE, 1 - _EDGE)
        likelihood = y * np.log(p) + (1 - y) * np.log(1 - p)
        return float(-likelihood.sum() + 0.5 * values[0] ** 2)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4, "maxiter": 400})
    return Calibration(slope=round(float(np.exp(found.x[0])), 6), intercept=round(float(found.x[1]), 6))


def _apply(raw: Floats, slope: float, intercept: float) -> Floats:
    p = np.clip(raw, _EDGE, 1 - _EDGE)
    return np.asarray(1.0 / (1.0 + np.exp(-(slope * np.log(p / (1 - p)) + intercept))))
