"""The plain way to feed a fit, as a peer for `benchmarks/training.py`: every step decodes, shows and varies on the CPU.

A torch DataLoader whose workers read the DICOM file and its mask, apply one of its display transforms to the view, cut,
average and vary the crop. Nothing is kept between steps.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pydicom import dcmread
from pydicom.uid import UID
from torch.utils.data import DataLoader, Dataset

from dcis_node.mammogram.display import transforms
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.model.preprocess import average, highest, prepare_view
from dcis_node.model.tiles import crop_origin
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import PhantomExam, generate_view, truth_of
from dcis_node.phantom.patient import Patient, generate_patient
from training.augment import Drawn, draw
from training.cohort import Cohort, CohortView, write_cohort
from training.images_dicom import pixels_digest
from training.judging import middle_of
from training.recipe import Recipe


def write_hospital(folder: Path, *, patients: int, transfer_syntax: str) -> Cohort:
    """Write the two views with a lesion of each synthetic patient as DICOM, with a mask each, and their cohort."""
    images = folder / "images"
    images.mkdir(parents=True)
    drawn = [generate_patient(31_000_000 + number, grade=(1, 3)[number % 2]) for number in range(patients)]
    rows = [
        _write_view(folder, patient, name, number, UID(transfer_syntax))
        for number, patient in enumerate(drawn)
        for name in ("CC", "MLO")
    ]
    return write_cohort(folder, images=images, synthetic=True, views=rows)


def _write_view(folder: Path, patient: Patient, name: str, number: int, syntax: UID) -> CohortView:
    side = patient.lesion_laterality
    view = generate_view(patient, side, name)
    exam = PhantomExam((view,), truth_of(patient))
    (ds,) = exam_datasets(
        exam, patient_id=f"P{number}", study_date="20260101", study_time="120000", transfer_syntax=syntax
    )
    key = f"p{number}-{name.lower()}"
    file, mask = folder / "images" / f"{key}.dcm", folder / f"{key}.png"
    ds.save_as(file, enforce_file_format=True)
    labels = view.lesion_mask.astype(np.uint8)
    labels[view.calcification_mask] = 2
    Image.fromarray(labels).save(mask)
    return CohortView(
        patient=f"p{number}",
        laterality=side,
        view=name,
        grade=patient.lesion.grade,
        upstaged=False,
        vendor=patient.vendor.name,
        image=key,
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        pixels_sha256=pixels_digest(view.stored),
        rows=view.stored.shape[0],
        columns=view.stored.shape[1],
        spacing_mm=view.spacing_mm,
        mask=mask.name,
        mask_sha256=hashlib.sha256(mask.read_bytes()).hexdigest(),
        annotation="png",
    )


class PlainCrops(Dataset):
    """One crop per item, made from its files each time."""

    def __init__(self, cohort: Cohort, recipe: Recipe, *, length: int) -> None:
        self.cohort, self.recipe, self.length = cohort, recipe, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        row = self.cohort.views[item % len(self.cohort.views)]
        ds = dcmread(self.cohort.images / row.file)
        with Image.open(self.cohort.folder / row.mask) as picture:
            labels = np.asarray(picture)
        choices = transforms(ds)
        drawn = draw(self.recipe.augmentation, np.random.default_rng(item), displays=len(choices))
        shown = prepare_view(stored_pixels(ds), choices, self.recipe.preprocessing, transform_index=drawn.display)
        size, spacing = self.recipe.train_crop_px, row.spacing_mm[0]
        target = self.recipe.preprocessing.input_spacing_mm or spacing
        side = min(round(size * target / spacing), *shown.shape)
        middle = middle_of(labels > 0)
        centre = tuple(place + shift / spacing for place, shift in zip(middle, drawn.shift_mm, strict=True))
        top, left = crop_origin(centre, side, shown.shape, border="inside")
        window = slice(top, top + side), slice(left, left + side)
        image = _vary(average(np.ascontiguousarray(shown[window]), (size, size)), drawn, averaged=side / size)
        reduced = highest(labels[window], (size, size))[:, :: -1 if drawn.flip else 1]
        return torch.from_numpy(image.copy())[None], torch.from_numpy(reduced.astype(np.int64)), int(row.grade > 2)


def _vary(image: np.ndarray, drawn: Drawn, *, averaged: float) -> np.ndarray:
    varied = image[:, :: -1 if drawn.flip else 1] ** drawn.gamma
    field = np.random.default_rng(drawn.noise_seed).standard_normal(varied.shape, np.float32)
    return np.clip(varied * (1.0 + np.float32(drawn.noise / averaged) * field), 0.0, 1.0)


def plain_loader(cohort: Cohort, recipe: Recipe, *, batch: int, steps: int, workers: int) -> DataLoader:
    """Give the loader of `steps` batches."""
    return DataLoader(
        PlainCrops(cohort, recipe, length=batch * steps),
        batch_size=batch,
        num_workers=workers,
        multiprocessing_context="spawn",
        pin_memory=torch.cuda.is_available(),
    )
