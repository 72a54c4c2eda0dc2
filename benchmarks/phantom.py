"""Time of a synthetic exam and of training regions. The bar: four views of 3328 x 2560 under 8 s on two cores.

The peer, measured in the same run: drawing the same number of normal deviates with NumPy, the least that noise costs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from dcis_node.phantom.exam import generate_exam
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.region import generate_negative_region, generate_region

BAR_SECONDS = 8.0


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Time a piece of work, wall clock."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(round(time.perf_counter() - start, 4))
    return times


def region_seconds(size_px: int, *, lesion: bool, count: int = 12) -> float:
    """Mean time of one region, the drawing of its patient included."""
    rng = np.random.default_rng(0)
    make = generate_region if lesion else generate_negative_region
    start = time.perf_counter()
    for seed in range(count):
        make(generate_patient(seed, vendor="hologic"), "MLO", size_px=size_px, rng=rng)
    return round((time.perf_counter() - start) / count, 4)


def main() -> int:
    """Measure, print, and fail if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    exam = seconds(lambda: generate_exam(1, vendor="hologic"), arguments.repeats)
    normals = 4 * 3328 * 2560
    peer = seconds(lambda: np.random.default_rng(0).standard_normal(normals, dtype=np.float32), arguments.repeats)
    figures = {
        "exam_4_views_3328x2560_seconds": exam,
        "bar_seconds": BAR_SECONDS,
        "peer_numpy_normals_of_4_views_seconds": peer,
        "region_812_seconds": region_seconds(812, lesion=True),
        "region_1324_seconds": region_seconds(1324, lesion=True),
        "negative_region_812_seconds": region_seconds(812, lesion=False),
        "numpy": np.__version__,
    }
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:45} {value}")
    return 0 if sorted(exam)[len(exam) // 2] < BAR_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
