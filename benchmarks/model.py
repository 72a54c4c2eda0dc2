"""Seconds per view of the demo bundle, and per crop of the paper's network, on this machine.

    python benchmarks/model.py [--json] [--threads N] [--paper-crop 1024]

A phantom view is drawn and prepared outside the clock. `whole_view` finds the lesion and judges it, as the node does;
`given_lesion` judges round a mark. `paper_crop` is one fold of the paper's network (53.6 million parameters, random
weights) on one crop; its peer in the same run is the same crop in plain float32, so the gain of bfloat16 and
channels_last is seen on the machine at hand.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from dcis_node.mammogram.anatomy import find_breast
from dcis_node.model.bundle import demo_bundle_folder, load_bundle
from dcis_node.model.device import choose_device, has_fast_bfloat16
from dcis_node.model.network import PRESETS, UNet
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import prepare_view
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.region import generate_region


def seconds(call: Callable[[], object], *, repeats: int) -> dict[str, float]:
    call()
    measured = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        measured.append(time.perf_counter() - start)
    return {"median": round(statistics.median(measured), 4), "least": round(min(measured), 4), "repeats": repeats}


def demo(device: torch.device, *, repeats: int) -> dict[str, object]:
    bundle = load_bundle(demo_bundle_folder())
    start = time.perf_counter()
    ensemble = Ensemble(bundle, device)
    built = time.perf_counter() - start
    patient = generate_patient(1, vendor="hologic")
    region = generate_region(patient, "MLO", size_px=100_000, rng=np.random.default_rng(0))
    image = prepare_view(region.stored, region.transforms, bundle.preprocessing)
    breast = find_breast(image).mask

    def judge(given: tuple[float, float] | None) -> object:
        return ensemble.predict_view(image, breast, given=given, spacing_mm=region.spacing_mm)

    return {
        "bundle": f"{bundle.name} {bundle.version}",
        "folds": len(bundle.folds),
        "view": list(image.shape),
        "build_seconds": round(built, 3),
        "whole_view": seconds(lambda: judge(None), repeats=repeats),
        "given_lesion": seconds(lambda: judge(region.centre), repeats=repeats),
    }


def paper_crop(device: torch.device, *, side: int, repeats: int) -> dict[str, object]:
    network = UNet(PRESETS["paper"]).eval().to(device)
    crop = torch.rand(1, 1, side, side, device=device)

    def run(*, fast: bool) -> None:
        x = crop.contiguous(memory_format=torch.channels_last) if fast else crop
        enabled = fast and has_fast_bfloat16(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=enabled):
            network(x).classification.float().cpu()

    plain = seconds(lambda: run(fast=False), repeats=repeats)
    network.to(memory_format=torch.channels_last)
    return {
        "side": side,
        "plain_float32": plain,
        "as_the_node_runs_it": seconds(lambda: run(fast=True), repeats=repeats),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--paper-crop", type=int, default=1024, help="side of the paper's crop, a multiple of 32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = choose_device()
    results = {
        "device": str(device),
        "threads": options.threads,
        "native_bfloat16": has_fast_bfloat16(device),
        "torch": torch.__version__,
        "demo": demo(device, repeats=options.repeats),
        "paper_crop": paper_crop(device, side=options.paper_crop, repeats=options.repeats),
    }
    if options.json:
        print(json.dumps(results))
        return
    view, crop = results["demo"], results["paper_crop"]
    print(f"{results['device']}, {options.threads} threads, native bfloat16: {results['native_bfloat16']}")
    print(f"demo bundle, {view['folds']} folds, whole view: {view['whole_view']['median']} s")
    print(f"demo bundle, lesion given: {view['given_lesion']['median']} s")
    print(f"paper network, one {crop['side']} crop, one fold: {crop['as_the_node_runs_it']['median']} s")
    print(f"  the same in plain float32: {crop['plain_float32']['median']} s")


if __name__ == "__main__":
    main()
