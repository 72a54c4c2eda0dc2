"""A small evaluation, its run, cohort and bundle, made by hand: nothing is trained, nothing is drawn by a phantom."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dcis_node.mammogram.curves import Window
from dcis_node.mammogram.display import DisplayTransform
from dcis_node.model.bundle import Bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing
from training.augment import Augmentation
from training.cohort import Cohort, CohortView, Exclusion, FlowStep, label, write_cohort
from training.evaluation import Evaluation, JudgedPatient, JudgedView, write_evaluation
from training.evaluation_figures import figures_of
from training.importing.flow import FIRST, HEALTHY, LAST, LESIONS
from training.loaded import LoadedView
from training.recipe import Recipe, Stage
from training.run import FoldPatients, Run, create_run

ODD_VENDOR = "<script>alert(1)</script> $x^$ | [a](b)"
THRESHOLD = 0.35
_NETWORK = NetworkConfig(width=2, depth=2, norm="batch", dropout=0.0, segmentation_classes=3)
_PREPROCESSING = Preprocessing(input_spacing_mm=0.2, crop_px=64, tile_px=64, overlap_px=16)


@dataclass(frozen=True, eq=False)
class Made:
    evaluation: Evaluation
    run: Run
    cohort: Cohort
    bundle: Bundle


def make_cohort(folder: Path) -> Cohort:
    vendors = ("HOLOGIC, Inc.", "GE MEDICAL SYSTEMS", ODD_VENDOR)
    views = [
        CohortView(
            patient=f"patient-{number:03d}",
            laterality="R",
            view=view,
            grade=(1, 2, 3)[number % 3],
            upstaged=number % 7 == 0,
            vendor=vendors[number % 3 if number < 30 else number % 2],
            model="model",
            image=f"image-{2 * number + place:05d}",
            file=f"{number}/{view}.dcm",
            sha256=f"{number:064x}",
            pixels_sha256=f"{2 * number + place:064x}",
            rows=120,
            columns=100,
            spacing_mm=(0.1, 0.1),
            mask=f"masks/{number}{view}.png",
            mask_sha256=f"{number:064x}",
            annotation="slicer",
            grade_biopsy=(1, 2, 3)[number % 3],
            age=40 + number % 40,
            size_mm=5.0 + number % 50,
            density="abcd"[number % 4],
            detection=("screening", "symptomatic", "")[number % 3],
        )
        for number in range(60)
        for place, view in enumerate(("CC", "MLO"))
    ]
    return write_cohort(
        folder / "cohort",
        images=folder / "images",
        synthetic=True,
        views=views,
        exclusions=(
            Exclusion("patient", "patient-900", "lcis"),
            Exclusion("patient", "patient-901", "under_age"),
            Exclusion("image", "7/ML.dcm", "magnification_view"),
        ),
        flow=(
            FlowStep(FIRST, 62, 125),
            FlowStep("patients left out: lcis", 61, 123),
            FlowStep("patients left out: under_age", 60, 121),
            FlowStep("images left out: magnification_view", 60, 120),
            FlowStep(LAST, 60, 120),
            FlowStep(LESIONS, 60, 120),
            FlowStep(HEALTHY, 0, 0),
        ),
    )


def make_bundle(folder: Path, run: Run) -> Bundle:
    torch.manual_seed(1)
    settings = {
        "name": "tiny-synthetic",
        "version": "1",
        "scenario": "upstage",
        "synthetic": True,
        "network": _NETWORK,
        "preprocessing": _PREPROCESSING,
        "localisation": Localisation(min_area_mm2=0.5),
        "calibration": Calibration(),
        "threshold": THRESHOLD,
        "figures": {},
        "training": {
            "seed": run.seed,
            "recipe": run.recipe.to_json(),
            "cohort_sha256": run.cohort_sha256,
            "splits_sha256": run.splits_sha256,
            "folds": [run.done(number) for number in run.numbers],
            "chosen": {"rule": "highest threshold with an NPV of at least 0.909"},
        },
    }
    return write_bundle(folder / "bundle", [UNet(_NETWORK).state_dict() for _ in range(2)], settings=settings)


def make_run(folder: Path, cohort: Cohort) -> Run:
    recipe = Recipe(
        name="tiny",
        network=_NETWORK,
        preprocessing=_PREPROCESSING,
        augmentation=Augmentation(),
        train_crop_px=64,
        stages=(Stage("segmentation", epochs=4), Stage("joint", epochs=3, classification_weight=1.0)),
        folds=2,
    )
    made = create_run(
        Run(
            folder=folder,
            kind="folds",
            recipe=recipe,
            asked_sha256="a" * 64,
            scenario="upstage",
            seed=3,
            cohort_sha256=cohort.sha256,
            extra_sha256="",
            splits_sha256="5" * 64,
            pretrained=None,
            synthetic=True,
            folds=(FoldPatients(("a", "b"), ("c",)), FoldPatients(("a", "c"), ("b",))),
            software={"torch": "2.x", "numpy": "2.y"},
        )
    )
    for number in made.numbers:
        _write_fold(made.fold_folder(number), number)
    return made


def _write_fold(folder: Path, number: int) -> None:
    (folder / "examples").mkdir(parents=True)
    lines = [
        "stage,epoch,step,loss,pixel_loss,image_loss,dice,auc,learning_rate,seconds,images_per_second,waiting_share"
    ]
    grid = np.hypot(*np.mgrid[-40:40, -40:40])
    for place, (stage, epoch) in enumerate(
        [("segmentation", e) for e in range(1, 5)] + [("joint", e) for e in range(1, 4)]
    ):
        dice = "" if epoch == 2 else f"{0.3 + 0.08 * place + 0.02 * number:.4f}"
        auc = f"{0.5 + 0.05 * epoch + 0.02 * number:.4f}" if stage == "joint" else ""
        lines.append(f"{stage},{epoch},{10 * place},{1 / (place + 1):.4f},0.1,0.1,{dice},{auc},0.001,3.0,5.0,0.01")
        np.savez(
            folder / "examples" / f"{stage}-{epoch:04d}.npz",
            image=np.stack([np.clip(200 - 3 * grid, 0, 255).astype(np.uint8)] * 2),
            truth=np.stack([grid < 20] * 2),
            outlined=np.stack([grid < 6 + 2 * place, grid > 100]),
        )
    (folder / "epochs.csv").write_text("\n".join(lines) + "\n", encoding="ascii")
    (folder / "done.json").write_text(
        '{"patient_auc": 0.71, "dice": 0.66, "training_patients": 40, "validation_patients": 10}', encoding="ascii"
    )


def make_all(folder: Path) -> Made:
    """Make everything in a folder."""
    cohort = make_cohort(folder)
    run = make_run(folder / "run", cohort)
    bundle = make_bundle(folder, run)
    rng = np.random.default_rng(5)
    views, patients = [], []
    for key in sorted({view.patient for view in cohort.views}):
        rows = [view for view in cohort.views if view.patient == key]
        value = label(rows[0], "upstage")
        strength = 0.2 + 0.35 * value + 0.12 * rng.standard_normal((2, 3))
        p = np.clip(strength, 0.01, 0.99)
        missed = int(rows[0].image[-2:]) % 20 == 8
        shared = {
            "label": value,
            "vendor": rows[0].vendor,
            "density": rows[0].density,
            "detection": rows[0].detection,
            "size_mm": rows[0].size_mm,
        }
        for place, row in enumerate(rows):
            views.append(
                JudgedView(
                    image=row.image,
                    patient=key,
                    laterality="R",
                    view=row.view,
                    lesion=True,
                    given_probabilities=tuple(p[:, 0] * (0.9 + 0.1 * place)),
                    given_dice=float(rng.uniform(0.2, 0.95)),
                    found_probabilities=() if missed else tuple(p[:, 1]),
                    swept=True,
                    hit=not missed,
                    any_hit=not missed,
                    marks=1,
                    false_marks=int(missed),
                    found_dice=0.0 if missed else 0.6,
                    **shared,
                )
            )
        patients.append(
            JudgedPatient(
                patient=key,
                given=float(p[:, 0].mean()),
                found=None if missed else float(p[:, 1].mean()),
                given_by_fold=tuple(p[:, 0]),
                found_by_fold=() if missed else tuple(p[:, 1]),
                **shared,
            )
        )
    npv = {"aim": 0.909, "threshold": 0.3, "rule": "chosen on the calibration patients"}
    figures = figures_of(
        views, patients, data="synthetic phantoms", scenario="upstage", threshold=THRESHOLD, npv=npv, seed=1
    )
    evaluation = Evaluation(
        bundle_sha256=bundle.sha256,
        bundle_name=bundle.name,
        bundle_version=bundle.version,
        synthetic=True,
        scenario="upstage",
        threshold=THRESHOLD,
        cohort_sha256=cohort.sha256,
        splits_sha256="5" * 64,
        test_sha256="7" * 64,
        leak_check="passed",
        made_at="2026-01-02T03:04:05+00:00",
        views=tuple(views),
        patients=tuple(patients),
        figures=figures,
        source={"seed": 1, "software": {"torch": "2.x"}},
    )
    return Made(write_evaluation(folder / "evaluation.json", evaluation), run, cohort, bundle)


def load(_cohort: Cohort, row: CohortView) -> LoadedView:
    """Give a bright blob on noise."""
    rng = np.random.default_rng(int(row.image[-5:]))
    grid = np.hypot(*np.mgrid[-60:60, -30:70])
    stored = (1000 + 40 * rng.standard_normal(grid.shape) + 1500 * (grid < 8)).astype(np.uint16)
    return LoadedView(
        stored=stored,
        labels=(grid < 12).astype(np.uint8),
        transforms=(DisplayTransform("window_1", Window(center=1500.0, width=2000.0)),),
        spacing_mm=(0.1, 0.1),
        mirrored=False,
    )
