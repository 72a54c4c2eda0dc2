"""The golden test: validation, evaluation, node and the unvaried training crop see one array.

An exam is written as DICOM; the same file goes the four ways. What they share is held against figures written down
here, so that a change of all four at once is seen, too.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom import dcmread

from dcis_node.analyse import view as node_view
from dcis_node.config import AnalyseSettings
from dcis_node.mammogram.curves import Table
from dcis_node.mammogram.display import DisplayTransform
from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.model.bundle import demo_bundle_folder, load_bundle
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import Preprocessing
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import PhantomExam, generate_view, truth_of
from dcis_node.phantom.patient import generate_patient
from training.augment import NONE
from training.batches import CropLoader
from training.cohort import CohortView, write_cohort
from training.crop_store import build_store
from training.crops import CropWriter, open_store
from training.images import load_view
from training.images_dicom import decode
from training.judging import judge_view, prepare
from training.plain import plain_crop
from training.recipe import Recipe, Stage

SIZE = (900, 700)
FINE = Preprocessing(input_spacing_mm=0.14, crop_px=128, tile_px=128, overlap_px=16)
AS_STORED = Preprocessing(crop_px=192, tile_px=192, overlap_px=16)


DEMO = load_bundle(demo_bundle_folder())
RECORDED = [[0.0002442, 0.6545704, 0.0002442], [0.7742602, 0.6413845, 0.5160421], [0.3964381, 0.0002442, 0.5604869]]
RECORDED_LABELS = "5fd32c31c7ebe17b"


class Watched(Ensemble):
    """An ensemble that keeps the crops that it is asked to judge."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        manifest = DEMO.manifest.model_copy(update={"preprocessing": preprocessing})
        super().__init__(replace(DEMO, manifest=manifest, folds=DEMO.folds[:1]), torch.device("cpu"))
        self.crops: list[np.ndarray] = []

    def judge_crop(self, crop):
        self.crops.append(np.array(crop))
        return np.zeros((2, *crop.shape), np.float32), (0.5,)


class Exam:
    """One view with a lesion: its file, its row, its cohort."""

    def __init__(self, folder: Path, *, vendor: str, lut: str, storage: str, spacing_mm: float | None) -> None:
        patient = generate_patient(7, vendor=vendor, size=SIZE, laterality="L", lut=lut)
        drawn = generate_view(patient, "L", "MLO", storage=storage)
        exam = PhantomExam((drawn,), truth_of(patient))
        (ds,) = exam_datasets(exam, patient_id="P1", study_date="20260101", study_time="120000")
        if spacing_mm:
            ds.ImagerPixelSpacing = [spacing_mm, spacing_mm]
        self.file = folder / "images" / "view.dcm"
        self.file.parent.mkdir()
        ds.save_as(self.file, enforce_file_format=True)
        labels = drawn.lesion_mask.astype(np.uint8)
        labels[drawn.calcification_mask] = 2
        Image.fromarray(labels).save(folder / "mask.png")
        self.header = read_header(dcmread(self.file, stop_before_pixels=True))
        self.row = CohortView(
            patient="p1",
            laterality="L",
            view="MLO",
            grade=3,
            upstaged=False,
            image="image-00000",
            file="view.dcm",
            sha256=hashlib.sha256(self.file.read_bytes()).hexdigest(),
            pixels_sha256=decode(dcmread(self.file)).pixels_sha256,
            rows=self.header.rows,
            columns=self.header.columns,
            spacing_mm=self.header.spacing_mm,
            mask="mask.png",
            mask_sha256=hashlib.sha256((folder / "mask.png").read_bytes()).hexdigest(),
            annotation="png",
        )
        self.cohort = write_cohort(folder, images=folder / "images", synthetic=True, views=[self.row])
        rows, columns = np.nonzero(labels)
        self.middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def recipe_of(preprocessing: Preprocessing) -> Recipe:
    stage = Stage(name="segmentation", epochs=1, batch=1)
    return Recipe(
        name="golden",
        network=DEMO.network,
        preprocessing=preprocessing,
        augmentation=NONE,
        train_crop_px=preprocessing.crop_px,
        stages=(stage,),
    )


def node_crop(exam: Exam, preprocessing: Preprocessing, scratch: Path) -> np.ndarray:
    watched = Watched(preprocessing)
    mark = Mark(exam.row.sop_instance_uid, *exam.middle, "seg", "1.2.3")
    settings = AnalyseSettings()
    node_view.analyse_view(exam.file, exam.header, predictor=watched, settings=settings, scratch=scratch, marks=(mark,))
    return watched.crops[0]


def decode_here(path: Path, settings: AnalyseSettings, *, scratch: Path) -> np.ndarray:
    return stored_pixels(dcmread(path))


def evaluation_crop(exam: Exam, preprocessing: Preprocessing) -> np.ndarray:
    watched = Watched(preprocessing)
    view = prepare(load_view(exam.cohort, exam.row), exam.row, preprocessing)
    judge_view(watched, view, exam.row, sweep=False)
    return watched.crops[0]


CASES = {
    "0.07 mm, window": ("hologic", "windows", "standard", None, FINE),
    "0.07 mm, table, mirrored": ("hologic", "luts", "mirrored", None, FINE),
    "0.05 mm, MONOCHROME1, table": ("fuji", "lut", "standard", None, FINE),
    "0.05 mm, MONOCHROME1, window, mirrored": ("fuji", "window", "mirrored", None, FINE),
    "0.1 mm, sigmoid and tables": ("ge", "sigmoid_and_luts", "standard", 0.1, FINE),
    "0.094 mm, sigmoid, mirrored": ("ge", "sigmoid", "mirrored", None, FINE),
    "0.085 mm, mean of all": ("siemens", "linear_exact", "standard", None, replace(FINE, display_rule="mean")),
    "0.07 mm, mean of all": ("hologic", "windows", "mirrored", None, replace(FINE, display_rule="mean")),
    "as stored, the paper's way": ("hologic", "luts", "mirrored", None, AS_STORED),
    "as stored, 0.05 mm": ("fuji", "lut", "standard", None, AS_STORED),
    "beyond the edge, zero": ("hologic", "window", "mirrored", None, replace(FINE, crop_px=384, border="zero")),
    "beyond the edge, reflected": ("ge", "sigmoid", "standard", None, replace(FINE, crop_px=256, border="reflect")),
}


@pytest.mark.parametrize("name", CASES)
def test_validation_evaluation_node_and_training_see_one_array(name, tmp_path, monkeypatch):
    if name != "as stored, the paper's way":  # one case decodes in a child as the node does; the others save its start
        monkeypatch.setattr(node_view, "decode_pixels", decode_here)
    vendor, lut, storage, spacing_mm, preprocessing = CASES[name]
    exam = Exam(tmp_path, vendor=vendor, lut=lut, storage=storage, spacing_mm=spacing_mm)
    recipe = recipe_of(preprocessing)
    store = build_store(exam.cohort, exam.cohort.views, tmp_path / "store", recipe=recipe, seed=1)
    validation, labels = plain_crop(store, 0, recipe=recipe)
    loader = CropLoader(
        store,
        recipe,
        recipe.stages[0],
        patients=None,
        scenario="grade",
        seed=1,
        device=torch.device("cpu"),
    )
    batch = loader.load(loader.plan_step(0, 0), slice(0, 1))

    node = node_crop(exam, preprocessing, tmp_path)
    np.testing.assert_array_equal(validation, node)
    np.testing.assert_array_equal(evaluation_crop(exam, preprocessing), node)
    if preprocessing.border == "inside":
        np.testing.assert_allclose(batch.images[0, 0].numpy(), node, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(batch.pixel_labels[0].numpy(), labels)
    assert (labels > 0).any()
    assert node.std() > 0.01


def test_a_pattern_gives_the_crop_that_is_written_down(tmp_path):
    """Holds the one preprocessing to what it gave when this was written: 0.05 mm, MONOCHROME1, table, 2.8 to one."""
    rows, columns = np.mgrid[:400, :300]
    stored = ((rows * 37 + columns * 91 + rows * columns) % 4096).astype(np.uint16)
    labels = ((rows // 40 + columns // 30) % 3).astype(np.uint8)
    table = Table(256, np.arange(0, 4096, 2), 4095)
    with CropWriter(tmp_path) as writer:
        writer.add(
            CohortView("p", "L", "CC", 3, upstaged=False),
            stored[100:300, 50:250],
            labels[100:300, 50:250],
            transforms=(DisplayTransform("voi_lut_1", table, inverted=True),),
            spacing_mm=0.05,
            centre=(100.5, 98.0),
            whole=(400, 300),
            origin=(100, 50),
        )
    recipe = recipe_of(replace(FINE, crop_px=48, tile_px=48))
    image, seen = plain_crop(open_store(tmp_path), 0, recipe=recipe)
    np.testing.assert_allclose(image[::16, ::16], RECORDED, rtol=0, atol=1e-6)
    assert hashlib.sha256(seen.tobytes()).hexdigest()[:16] == RECORDED_LABELS
