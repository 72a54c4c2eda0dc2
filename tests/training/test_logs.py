from dataclasses import replace
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.logs import COLUMNS, EpochRow, FitLog, read_epochs
from training.validation import Examples

ROW = EpochRow("segmentation", 1, 10, 1.25, 1.25, 0.0, None, None, 2.5e-4, 3.5, 40.0, 0.01)


def test_rows_are_read_back_and_what_was_not_validated_is_none(tmp_path: Path):
    with FitLog(tmp_path, kept={}) as log:
        log.write(ROW)
        log.write(replace(ROW, epoch=2, step=20, dice=0.75, auc=0.5))
    assert read_epochs(tmp_path) == [ROW, replace(ROW, epoch=2, step=20, dice=0.75, auc=0.5)]
    assert (tmp_path / "epochs.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_epochs_that_the_checkpoint_does_not_have_are_taken_out(tmp_path: Path):
    with FitLog(tmp_path, kept={}) as log:
        for epoch in (1, 2):
            log.write(replace(ROW, epoch=epoch))
        log.write(replace(ROW, stage="joint"))
        log.write(replace(ROW, stage="joint", epoch=2))
    with (tmp_path / "epochs.csv").open("a") as file:
        file.write("joint,3,30,1.0")  # the process died while it wrote
    with FitLog(tmp_path, kept={"segmentation": 2, "joint": 1}) as log:
        log.write(replace(ROW, stage="joint", epoch=2, loss=9.0))
    told = [(row.stage, row.epoch, row.loss) for row in read_epochs(tmp_path)]
    assert told == [("segmentation", 1, 1.25), ("segmentation", 2, 1.25), ("joint", 1, 1.25), ("joint", 2, 9.0)]


def test_tensorboard_has_the_same_figures(tmp_path: Path):
    with FitLog(tmp_path, kept={}) as log:
        log.write(replace(ROW, dice=0.75))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.value for event in events.Scalars("segmentation/dice")] == [0.75]
    assert [event.step for event in events.Scalars("segmentation/loss")] == [1]
    assert "segmentation/auc" not in events.Tags()["scalars"]


def test_examples_are_kept_under_stage_and_epoch(tmp_path: Path):
    shown = Examples(np.full((2, 8, 8), 7, np.uint8), np.ones((2, 8, 8), bool), np.zeros((2, 8, 8), bool))
    with FitLog(tmp_path, kept={}) as log:
        log.write_examples("joint", 12, shown)
    with np.load(tmp_path / "examples" / "joint-0012.npz", allow_pickle=False) as kept:
        assert sorted(kept) == ["image", "outlined", "truth"]
        np.testing.assert_array_equal(kept["image"], shown.image)
