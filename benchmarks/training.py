"""Images per second of a fit, the share of its time that waits for data, and the ratio to the plain way.

    python benchmarks/training.py [--json] [--recipe demo] [--width 8] [--threads 2] [--batch N] [--no-plain]

The plain way is a torch DataLoader with two workers that decodes the DICOM and augments on the CPU at each step
(`training_plain.py`); network, losses, optimiser, batch and the cores are the same, and both are measured in turn in
one run. On a CUDA device the network runs in bfloat16, compiled, and the share of the device's peak arithmetic is
given. Bars: the ratio at least 5, waiting at most 5 % (exit status 1 if one is missed and `--bars` was given).
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1
from torch.utils.flop_counter import FlopCounterMode

# This file has the name of the package it measures, and its folder would come before the package's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.training_plain import PlainCrops, plain_loader, write_hospital
from dcis_node.model.device import choose_device, has_fast_bfloat16
from dcis_node.model.network import UNet
from training.batch_size import fits_in_memory, fits_on_gpu, micro_batch, parts
from training.batches import Batch, CropLoader
from training.cohort import Cohort
from training.crop_store import build_store
from training.recipe import Recipe, Stage
from training.recipes import load_recipe
from training.step import Counts, micro_loss, parts_of

RATIO_BAR, WAITING_BAR = 5.0, 0.05
# Cancer Imaging 2024, 24:48: images to train, share of a fold, epochs, folds; backward costs twice the forward pass.
PAPER_IMAGES, PAPER_SHARE, PAPER_EPOCHS, PAPER_FOLDS, PASSES = 681, 0.8, 500, 5, 3
# Batches that each worker of a DataLoader reads ahead (torch's default).
AHEAD = 2
# Dense bfloat16 multiply-adds as two operations, of the makers' data sheets, in 1e12 a second.
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L4": 121.0, "A10": 125.0}
SYNTAXES = {"uncompressed": ExplicitVRLittleEndian, "jpeg-lossless": JPEGLosslessSV1}

Step = tuple[Sequence[Batch], Counts]


def forward_flops(recipe: Recipe) -> int:
    """Count the operations of one forward pass of one training crop, without computing it."""
    with torch.device("meta"):
        network = UNet(recipe.network)
        crop = torch.zeros(1, 1, recipe.train_crop_px, recipe.train_crop_px)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(crop)
    return int(counter.get_total_flops())


class Trainer:
    """The network, the losses and the optimiser, the same for both ways."""

    def __init__(self, recipe: Recipe, stage: Stage, device: torch.device, *, compiled: bool) -> None:
        torch.manual_seed(0)
        network = UNet(recipe.network).to(device, memory_format=torch.channels_last).train()
        self.recipe, self.stage, self.device = recipe, stage, device
        self.parts = parts_of(network, recipe, compiled=compiled)
        self.optimiser = torch.optim.Adam(network.parameters(), 1e-4, fused=device.type == "cuda" or None)
        self.bfloat16 = has_fast_bfloat16(device)

    def step(self, batches: Sequence[Batch], counts: Counts) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        for batch in batches:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                loss = micro_loss(self.parts, batch, counts=counts, stage=self.stage, recipe=self.recipe)[0]
            loss.backward()
        self.optimiser.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def ours(loader: CropLoader, slices: Sequence[slice]) -> Generator[Step]:
    for epoch in range(1_000_000):
        for plan, batches in loader.iterate(epoch, 0, slices):
            yield batches, Counts(plan.segmented, sum(value >= 0 for value in plan.labels))


def plain(loader: object, slices: Sequence[slice], stage: Stage, device: torch.device) -> Generator[Step]:
    for images, maps, labels in loader:
        segmented = max(1, round(len(images) * stage.segmented_share))
        batches = []
        for part in slices:
            count = max(0, min(segmented, part.stop) - part.start)
            moved = images[part].to(device).contiguous(memory_format=torch.channels_last)
            batches.append(Batch(moved, maps[part][:count].to(device), labels[part].to(device)))
        yield batches, Counts(segmented, len(images))


def measure(trainer: Trainer, stream: Iterator[Step], *, warm_up: int, steps: int) -> dict[str, float]:
    """Time `steps` steps: images per second, and the share of the time in which the trainer had no data."""
    for _ in range(warm_up):
        trainer.step(*next(stream))
    images, waited, start = 0, 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batches, counts = next(stream)
        waited += time.perf_counter() - asked
        trainer.step(batches, counts)
        images += sum(len(batch.images) for batch in batches)
    seconds = time.perf_counter() - start
    return {"images_per_second": images / seconds, "waiting_share": waited / seconds}


def compare(options: argparse.Namespace, recipe: Recipe, stage: Stage, device: torch.device, folder: Path) -> dict:
    cohort = write_hospital(folder, patients=options.patients, transfer_syntax=SYNTAXES[options.files])
    start = time.perf_counter()
    store = build_store(cohort, cohort.views, folder / "crops", recipe=recipe, seed=1)
    cut = time.perf_counter() - start
    loader = CropLoader(store, recipe, stage, patients=None, scenario="grade", seed=1, device=device)
    slices = parts(stage.batch, recipe.micro_batch)
    trainer = Trainer(recipe, stage, device, compiled=options.compile)
    runs: dict[str, list[dict[str, float]]] = {"ours": []}
    for _ in range(options.repeats):
        stream = ours(loader, slices)
        runs["ours"].append(measure(trainer, stream, warm_up=options.warm_up, steps=options.steps))
        stream.close()
        if options.plain:
            # What the workers have read ahead when the clock starts is what they have read ahead when it stops.
            warm_up = options.warm_up + options.workers * AHEAD
            peer = plain_loader(
                cohort, recipe, batch=stage.batch, steps=warm_up + options.steps + 1, workers=options.workers
            )
            stream = plain(peer, slices, stage, device)
            runs.setdefault("plain", []).append(measure(trainer, stream, warm_up=warm_up, steps=options.steps))
            # Ends the workers: they shall not run beside the other way.
            stream.close()
            del stream, peer
    medians = {way: _medians(measured) for way, measured in runs.items()}
    processor = processor_ms(trainer, loader, cohort, slices, steps=options.steps) if device.type == "cpu" else None
    return {
        "cutting_seconds_per_view": cut / len(cohort.views),
        "processor_ms_per_image": processor,
        "medians": medians,
        "runs": runs,
    }


def processor_ms(
    trainer: Trainer, loader: CropLoader, cohort: Cohort, slices: Sequence[slice], *, steps: int
) -> dict[str, float]:
    """Give the processor milliseconds per image of network and losses, of our crops, and of the plain way's.

    One thread, this process alone: what else runs on the machine lengthens the wall clock, not these. Their ratio is
    that of the two ways where every core is busy.
    """
    torch.set_num_threads(1)
    items = PlainCrops(cohort, trainer.recipe, length=len(cohort.views))
    taken: dict[str, list[float]] = {"network": [], "ours": [], "plain": []}
    for step in range(steps):
        plan = loader.plan_step(1, step % loader.steps_per_epoch)
        start = time.process_time()
        batches = [loader.load(plan, part) for part in slices]
        cut = time.process_time()
        trainer.step(batches, Counts(plan.segmented, sum(value >= 0 for value in plan.labels)))
        taken["ours"].append((cut - start) / len(plan.indices))
        taken["network"].append((time.process_time() - cut) / len(plan.indices))
    for item in range(len(items)):
        start = time.process_time()
        items[item]
        taken["plain"].append(time.process_time() - start)
    # Detectors differ in size: of the files it is the mean that counts.
    means = {"plain": statistics.fmean(taken["plain"])}
    means |= {name: statistics.median(taken[name]) for name in ("network", "ours")}
    ratio = (means["network"] + means["plain"]) / (means["network"] + means["ours"])
    return {**{name: 1000.0 * value for name, value in means.items()}, "ratio": ratio}


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def chosen_recipe(options: argparse.Namespace, device: torch.device) -> tuple[Recipe, Stage]:
    recipe = load_recipe(options.recipe)
    recipe = replace(recipe, network=replace(recipe.network, width=options.width or recipe.network.width))
    stage = next(stage for stage in recipe.stages if stage.name == options.stage)
    stage = replace(stage, batch=options.batch or stage.batch)
    fits = (
        fits_on_gpu(recipe, device, bfloat16=has_fast_bfloat16(device), most=stage.batch)
        if device.type == "cuda"
        else fits_in_memory(recipe, most=stage.batch)
    )
    return replace(recipe, stages=(stage,), micro_batch=micro_batch(stage.batch, fits=fits)), stage


def extrapolated(recipe: Recipe, images_per_second: float) -> dict[str, float]:
    """Give the cost of the paper's cohort and epochs with this recipe: counted operations, EXTRAPOLATED hours."""
    flops = forward_flops(recipe)
    images = PAPER_IMAGES * PAPER_SHARE * PAPER_EPOCHS * PAPER_FOLDS
    return {
        "forward_flops_per_crop": flops,
        "training_images": images,
        "training_flops": PASSES * flops * images,
        "extrapolated_hours": images / images_per_second / 3600.0,
    }


def peak_share(options: argparse.Namespace, recipe: Recipe, device: torch.device, images_per_second: float) -> float:
    """Give the share of the device's peak arithmetic; nan where the peak is not known."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peak = options.peak_tflops or next((value for key, value in PEAKS.items() if key in name), math.nan)
    return PASSES * forward_flops(recipe) * images_per_second / (peak * 1e12)


def main() -> int:
    options = _options()
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    options.compile = device.type == "cuda" if options.compile is None else options.compile
    recipe, stage = chosen_recipe(options, device)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        figures = compare(options, recipe, stage, device, Path(folder) / "hospital")
    medians = figures["medians"]
    speed = medians["ours"]["images_per_second"]
    share = peak_share(options, recipe, device, speed)
    results = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": options.threads,
        "torch": torch.__version__,
        "bfloat16": has_fast_bfloat16(device),
        "compiled": options.compile,
        "recipe": recipe.name,
        "stage": stage.name,
        "width": recipe.network.width,
        "crop_px": recipe.train_crop_px,
        "batch": stage.batch,
        "micro_batch": recipe.micro_batch,
        "files": options.files,
        **figures,
        "ratio": speed / medians["plain"]["images_per_second"] if "plain" in medians else None,
        "share_of_peak": None if math.isnan(share) else share,
        "paper": extrapolated(recipe, speed),
    }
    print(json.dumps(results) if options.json else _text(results))
    missed = medians["ours"]["waiting_share"] > WAITING_BAR or (results["ratio"] or RATIO_BAR) < RATIO_BAR
    return int(options.bars and missed)


def _text(results: dict) -> str:
    lines = [f"{name}: {value}" for name, value in results.items() if name not in {"medians", "runs", "paper"}]
    lines += [f"{way}: {figures}" for way, figures in results["medians"].items()]
    lines += [f"the paper's whole recipe at this width and crop, EXTRAPOLATED: {results['paper']}"]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--stage", default="joint")
    parser.add_argument("--width", type=int, help="of the network; the recipe's by default")
    parser.add_argument("--batch", type=int, help="crops per step; the stage's by default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="of the plain way's DataLoader")
    parser.add_argument("--patients", type=int, default=6, help="synthetic, two views each")
    parser.add_argument(
        "--files", choices=SYNTAXES, default="jpeg-lossless", help="how the plain way's DICOM is stored"
    )
    parser.add_argument("--warm-up", type=int, default=2, help="steps before the clock")
    parser.add_argument("--steps", type=int, default=6, help="per repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peak-tflops", type=float, help="of the device, where it is not one we know")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: on CUDA only")
    parser.add_argument(
        "--plain", action=argparse.BooleanOptionalAction, default=True, help="measure the plain way, too"
    )
    parser.add_argument("--bars", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("--scratch", help="folder for the files; the system's by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
