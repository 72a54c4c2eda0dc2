"""Dice of the shipped bundle's outline on the held-out phantoms of its seed, over two windows.

- `training_crop`: everything outlined in a crop of the side that was trained on (36 mm), against the true region. The
  prototype's figure (0.87, on other phantoms) was taken so; 0.8 is the figure to reach in that measure.
- `node_crop`: the same over the crop that the node cuts (72 mm), where other marks count as errors.

The peer, in the same run: one fold alone. Figures of phantoms; they have no clinical meaning.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dcis_node.model.bundle import demo_bundle_folder, load_bundle
from dcis_node.model.predict import Ensemble
from training.crops import open_store
from training.phantoms import make_regions
from training.plan import demo_plan
from training.sampling import plain_crop
from training.statistics import dice

BAR = 0.8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bundle = load_bundle(demo_bundle_folder())
    device = torch.device("cpu")
    judges = {
        "ensemble": Ensemble(bundle, device),
        "one_fold": Ensemble(replace(bundle, folds=bundle.folds[:1]), device),
    }
    plan, threshold = demo_plan().fit, bundle.manifest.localisation.threshold
    sides = {"training_crop": plan.train_crop_px, "node_crop": bundle.preprocessing.crop_px}
    figures = {"patients": options.patients, "threshold": threshold, "bar": BAR, "bundle_sha256": bundle.sha256}
    with tempfile.TemporaryDirectory() as folder:
        side_mm = bundle.preprocessing.crop_px * (bundle.preprocessing.input_spacing_mm or 0.07) + 0.2
        place = Path(folder) / "test"
        seed = int(bundle.training["seed"])
        make_regions(
            place,
            seed=seed,
            group="test",
            patients=options.patients,
            region_mm=side_mm,
            negatives=0,
            log=Path(folder) / "log",
        )
        store = open_store(place)
        for window, side in sides.items():
            crops = [plain_crop(store, index, plan=plan, size_px=side) for index in range(len(store.regions))]
            for name, judge in judges.items():
                scores = [dice(judge.judge_crop(crop)[0].sum(axis=0) >= threshold, truth > 0) for crop, truth in crops]
                figures[f"{window}_{name}"] = {
                    "mean": round(float(np.mean(scores)), 4),
                    "median": round(float(np.median(scores)), 4),
                    "views": len(scores),
                }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
