import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dcis_node.errors import TrainingError
from dcis_node.model.preprocess import Preprocessing
from tests.training.fitted import JOINT, SEGMENTATION, tiny_recipe
from training.augment import Augmentation
from training.claim import FitRequest
from training.cohort import Cohort, CohortView, read_cohort, write_cohort
from training.crop_store import build_store
from training.fitting import fit_request
from training.images_phantom import phantom_rows
from training.splits import draw_splits, write_splits


def a_recipe(*, steps: int = 2):
    stages = (replace(SEGMENTATION, epochs=2, negative_share=0.2), replace(JOINT, epochs=2))
    return tiny_recipe(
        *stages,
        pretraining=(replace(SEGMENTATION, epochs=1), replace(JOINT, epochs=1)),
        preprocessing=Preprocessing(input_spacing_mm=0.14, crop_px=32, tile_px=32, overlap_px=8),
        augmentation=Augmentation(shift_mm=15.0),
        steps_per_epoch=steps,
        micro_batch=None,
    )


def phantom_cohort(folder: Path, *, patients: int, seed: int) -> Cohort:
    return write_cohort(folder, images=folder, synthetic=True, views=all_rows(patients, seed))


def all_rows(patients: int, seed: int) -> list[CohortView]:
    return [
        row
        for number in range(patients)
        for row in phantom_rows(seed + number, patient=f"p{number:03d}", first_image=4 * number)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of 24 phantoms with splits of two folds, another of 6, and a pretraining on that."""
    folder = tmp_path_factory.mktemp("fitting")
    cohort = phantom_cohort(folder / "cohort", patients=24, seed=5000)
    write_splits(folder / "splits.json", draw_splits(cohort, seed=1, folds=2, calibration_share=0.2))
    phantom_cohort(folder / "more", patients=8, seed=6000)
    torch.set_num_threads(1)
    fit_request(FitRequest(folder / "more", None, folder / "pre", a_recipe(), "upstage", pretrain=True))
    return folder


def request(made: Path, run: Path, **changes: object) -> FitRequest:
    asked = FitRequest(made / "cohort", made / "splits.json", run, a_recipe(), "upstage")
    return replace(asked, **changes)


def done(run: Path, fold: int) -> dict[str, object]:
    return json.loads((run / f"fold-{fold}" / "done.json").read_text())


@pytest.fixture(scope="module")
def fitted(made: Path) -> Path:
    fit_request(request(made, made / "run", from_pretrained=made / "pre", extra=made / "more"))
    return made / "run"


def test_a_run_fits_all_folds_and_says_whom_it_saw(made: Path, fitted: Path):
    cohort, splits = read_cohort(made / "cohort"), json.loads((made / "splits.json").read_text())
    for fold in (1, 2):
        figures = done(fitted, fold)
        told = splits["folds"][fold - 1]
        patients = {*told["training"], *told["validation"]}
        lesions = {v.pixels_sha256[:12] for v in cohort.views if v.patient in patients and v.lesion}
        held_out = {
            v.pixels_sha256[:12] for v in cohort.views if v.patient in {*splits["test"], *splits["calibration"]}
        }
        assert lesions <= set(figures["seen"])
        assert not held_out & set(figures["seen"])
        assert figures["training_patients"] == len(told["training"]) + 8
        assert figures["validation_patients"] == len(told["validation"])
        assert 0.0 <= figures["dice"] <= 1.0
        assert (fitted / f"fold-{fold}" / "weights.safetensors").exists()
    run = json.loads((fitted / "run.json").read_text())
    assert run["synthetic"] is True
    assert run["recipe"]["micro_batch"] == 8
    assert run["pretrained"]["cohort_sha256"] == read_cohort(made / "more").sha256


def test_a_done_run_is_not_touched_again(made: Path, fitted: Path):
    before = (fitted / "fold-1" / "weights.safetensors").stat().st_mtime_ns
    told = []
    fit_request(request(made, fitted, from_pretrained=made / "pre", extra=made / "more"), report=told.append)
    assert not told
    assert (fitted / "fold-1" / "weights.safetensors").stat().st_mtime_ns == before


def test_folds_in_processes_of_their_own_give_the_same_weights(
    made: Path, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Starting a process takes seconds; those that cut crops are tested with the crops.
    alone = {"processes": 1}
    monkeypatch.setattr("training.fitting.build_store", lambda *a, **k: build_store(*a, **{**k, **alone}))
    shutil.copytree(fitted / "crops", tmp_path / "run" / "crops")
    told = []
    asked = request(made, tmp_path / "run", from_pretrained=made / "pre", extra=made / "more", processes=2)
    fit_request(asked, report=told.append)
    for fold in (1, 2):
        one, other = (run / f"fold-{fold}" / "weights.safetensors" for run in (fitted, tmp_path / "run"))
        assert one.read_bytes() == other.read_bytes()
    assert {line.fold for line in told} == {1, 2}
    assert max(line.step for line in told) == told[0].steps == 8


def test_a_pretraining_takes_everybody_and_validates_nobody(made: Path):
    figures = json.loads((made / "pre" / "pretrained" / "done.json").read_text())
    assert (figures["training_patients"], figures["validation_patients"], figures["dice"]) == (8, 0, None)


def test_a_cohort_without_grades_pretrains_the_outline_only(tmp_path: Path):
    rows = [replace(view, grade=0, upstaged=False) for view in all_rows(3, 9000)]
    write_cohort(tmp_path / "cohort", images=tmp_path, synthetic=True, views=rows)
    recipe = a_recipe(steps=1)
    fit_request(FitRequest(tmp_path / "cohort", None, tmp_path / "run", recipe, "grade", pretrain=True))
    log = (tmp_path / "run" / "pretrained" / "epochs.csv").read_text()
    assert "segmentation,1" in log
    assert "joint" not in log


def test_a_pretraining_that_saw_a_held_out_patient_is_refused_by_the_pixels(made: Path, tmp_path: Path):
    # The same images under other patients' keys.
    rows = [replace(view, patient=f"other-{view.patient}") for view in read_cohort(made / "cohort").views]
    write_cohort(tmp_path / "copy", images=tmp_path, synthetic=True, views=rows)
    recipe = a_recipe(steps=1)
    fit_request(FitRequest(tmp_path / "copy", None, tmp_path / "pre", recipe, "upstage", pretrain=True))
    with pytest.raises(TrainingError, match=r"the pretraining has \d+ images .* test, calibration or validation"):
        fit_request(request(made, tmp_path / "run", from_pretrained=tmp_path / "pre"))
    with pytest.raises(TrainingError, match=r"the extra cohort has \d+ images"):
        fit_request(request(made, tmp_path / "run", extra=tmp_path / "copy"))
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"splits": None}, "need the splits"),
        ({"folds": (3,)}, "no fold 3: the splits have folds 1 to 2"),
        ({"seed": 2}, "another run's: it differs in the seed"),
        ({"batch": 4}, "the recipe or the batch"),
        ({"pretrain": True}, "no splits, extra cohort or weights"),
        ({"device": "gpu"}, "auto, cpu, cuda"),
    ],
)
def test_what_does_not_fit_together_is_refused(made: Path, fitted: Path, changes: dict[str, object], named: str):
    asked = request(made, fitted, from_pretrained=made / "pre", extra=made / "more")
    with pytest.raises(TrainingError, match=named):
        fit_request(replace(asked, **changes))


def test_weights_of_folds_or_of_another_network_are_no_start(made: Path, fitted: Path, tmp_path: Path):
    with pytest.raises(TrainingError, match="holds folds"):
        fit_request(request(made, tmp_path / "run", from_pretrained=fitted))
    wider = tiny_recipe(norm="instance")
    with pytest.raises(TrainingError, match="another network"):
        fit_request(request(made, tmp_path / "run", from_pretrained=made / "pre", recipe=wider))


def test_the_largest_batch_that_fits_is_kept_in_the_run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("training.claim.fits_in_memory", lambda recipe, *, most: min(most, 6))
    quick = tiny_recipe(replace(SEGMENTATION, epochs=1), steps_per_epoch=1, micro_batch=None)
    quick = replace(quick, augmentation=a_recipe().augmentation)
    run = fit_request(request(made, tmp_path / "run", recipe=quick, batch=0, folds=(2,)))
    assert run.recipe.stages[0].batch == 6
    assert run.recipe.micro_batch == 6
    assert (run.done(1), run.done(2) is None) == (None, False)
