import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.errors import TrainingError
from training.splits import refuse_overlap, repeated_folds


@given(st.lists(st.integers(0, 1), min_size=20, max_size=80), st.integers(0, 1000))
def test_no_patient_stands_on_both_sides_and_none_is_lost(values, seed):
    values = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, *values]
    labels = {f"p{i}": value for i, value in enumerate(values)}
    for fold in repeated_folds(labels, seed=seed):
        assert not set(fold.training) & set(fold.validation)
        assert set(fold.training) | set(fold.validation) == set(labels)
        assert len(fold.validation) == pytest.approx(0.2 * len(labels), abs=1)
        share = sum(labels[p] for p in fold.validation) / len(fold.validation)
        assert share == pytest.approx(sum(values) / len(values), abs=1 / len(fold.validation))


@pytest.fixture
def labels():
    return {f"p{i}": int(i % 3 == 0) for i in range(60)}


def test_five_folds_are_drawn_and_differ(labels):
    folds = repeated_folds(labels, seed=1)
    assert len({fold.validation for fold in folds}) == 5


def test_a_seed_gives_the_same_folds_whatever_the_order(labels):
    backwards = dict(reversed(labels.items()))
    assert repeated_folds(labels, seed=4) == repeated_folds(backwards, seed=4)
    assert repeated_folds(labels, seed=4) != repeated_folds(labels, seed=5)


def test_too_few_of_a_label_are_refused(labels):
    with pytest.raises(TrainingError, match="label 2 has 1 patient"):
        repeated_folds({**labels, "one": 2}, seed=1)


def test_a_patient_in_two_groups_is_refused():
    refuse_overlap({"training": ["a", "b"], "test": ["c"]})
    with pytest.raises(TrainingError, match="test and training share 1 patients"):
        refuse_overlap({"training": ["a", "b"], "test": ["b"]})
