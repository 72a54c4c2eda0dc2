"""A crude cohort of a few small regions: bright dots on noise, larger where the grade is high."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dcis_node.mammogram.curves import Window
from dcis_node.mammogram.display import DisplayTransform
from training.cohort import CohortView
from training.crops import CropStore, CropWriter, open_store

TRANSFORMS = (
    DisplayTransform("window_1", Window(center=2000.0, width=3000.0)),
    DisplayTransform("window_2", Window(center=2000.0, width=2000.0)),
)
SIDE = 96


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def crude_region(rng: np.random.Generator, grade: int) -> tuple[np.ndarray, np.ndarray]:
    """(SIDE, SIDE) stored values and labels; grade 0 has no lesion, grade 3 large dots."""
    stored = 1200 + 60 * rng.standard_normal((SIDE, SIDE))
    labels = np.zeros((SIDE, SIDE), np.uint8)
    if grade:
        labels[28:68, 28:68] = 1
        size = 7 if grade == 3 else 3
        for row, column in rng.integers(30, 60, (6, 2)):
            labels[row : row + size, column : column + size] = 2
        stored[labels == 1] += 400
        stored[labels == 2] += 1800
    return stored.astype(np.uint16), labels


@pytest.fixture
def store(tmp_path: Path) -> CropStore:
    rng = np.random.default_rng(0)
    with CropWriter(tmp_path / "store") as writer:
        for number in range(8):
            grade = (1, 3, 2, 3)[number % 4]
            for view in ("CC", "MLO"):
                row = CohortView(f"p{number}", "L", view, grade, upstaged=False)
                writer.add(row, *crude_region(rng, grade), transforms=TRANSFORMS, spacing_mm=0.07)
        for number in range(3):
            row = CohortView(f"n{number}", "R", "CC", 0, upstaged=False)
            writer.add(row, *crude_region(rng, 0), transforms=TRANSFORMS[:1], spacing_mm=0.07)
    return open_store(tmp_path / "store")
