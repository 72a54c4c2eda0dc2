import numpy as np
import pytest

from dcis_node.errors import TrainingError
from training.logs import COLUMNS, EpochRow
from training.report.dice_figure import dice_figure, examples_figure
from training.report.epochs import fold_folders, read_epochs, read_examples


def test_folds_are_read_in_their_order_and_only_where_they_have_figures(own_run):
    (own_run.folder / "fold-10").mkdir()
    (own_run.folder / "fold-10" / "epochs.csv").touch()
    (own_run.folder / "fold-11").mkdir()
    assert [folder.name for folder in fold_folders(own_run.folder)] == ["fold-1", "fold-2", "fold-10"]


def test_an_epoch_that_was_not_validated_has_no_dice(own_run):
    rows = read_epochs(own_run.fold_folder(1))
    assert (rows[0].stage, rows[0].epoch, rows[0].dice, rows[0].auc) == ("segmentation", 1, 0.32, None)
    assert rows[1].dice is None
    assert (rows[-1].stage, rows[-1].epoch, rows[-1].dice, rows[-1].auc) == ("joint", 3, 0.8, 0.67)


def test_examples_come_in_the_order_in_which_the_stages_ran(own_run):
    fold = own_run.fold_folder(1)
    (fold / "examples" / "joint-0002.npz").unlink()
    examples = read_examples(fold, read_epochs(fold))
    assert [(example.stage, example.epoch) for example in examples][3:] == [
        ("segmentation", 4),
        ("joint", 1),
        ("joint", 3),
    ]
    assert examples[0].image.dtype == np.uint8
    assert examples[0].truth.dtype == np.bool_


def test_the_dice_of_the_first_and_last_shown_outline_is_said(own_run):
    fold = own_run.fold_folder(1)
    examples = read_examples(fold, read_epochs(fold))
    truth, outlined = examples[-1].truth[0], examples[-1].outlined[0]
    overlap = 2 * (truth & outlined).sum() / (truth.sum() + outlined.sum())
    # Two views, the second outlined nowhere.
    assert f"to {overlap / 2:.2f} at the last" in examples_figure(examples).alt


def test_the_mean_of_the_folds_at_the_end_is_said(own_run):
    told = dice_figure([read_epochs(own_run.fold_folder(number)) for number in (1, 2)]).alt
    assert "mean Dice of 2 folds at the end 0.810, mean AUC 0.680" in told


def test_one_fold_with_one_epoch_can_be_drawn():
    told = dice_figure([[EpochRow("segmentation", 1, 1, 1.0, 1.0, 0.0, None, None, 0.1, 1.0, 1.0, 0.0)]]).alt
    assert "mean Dice of 1 folds at the end not known" in told


def test_a_spoilt_table_is_named(own_run):
    text = ",".join(COLUMNS) + "\n" + ",".join("x" for _ in COLUMNS) + "\n"
    (own_run.fold_folder(1) / "epochs.csv").write_text(text)
    with pytest.raises(TrainingError, match=r"fold-1/epochs.csv cannot be read"):
        read_epochs(own_run.fold_folder(1))


def test_examples_of_a_fold_that_had_no_view_to_show_are_left_out(own_run):
    fold = own_run.fold_folder(1)
    none = np.zeros((0, 8, 8), np.uint8)
    np.savez(fold / "examples" / "joint-0001.npz", image=none, truth=none > 0, outlined=none > 0)
    assert len(read_examples(fold, read_epochs(fold))) == 6


def test_a_spoilt_example_is_named(own_run):
    fold = own_run.fold_folder(1)
    (fold / "examples" / "joint-0001.npz").write_bytes(b"no archive")
    with pytest.raises(TrainingError, match=r"joint-0001.npz cannot be read"):
        read_examples(fold, read_epochs(fold))
