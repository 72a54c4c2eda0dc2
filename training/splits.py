"""Who trains and who validates: always by patient, stratified by label, seeded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sklearn.model_selection import StratifiedShuffleSplit

from dcis_node.errors import TrainingError


@dataclass(frozen=True)
class Fold:
    """The patients of one fold."""

    training: tuple[str, ...]
    validation: tuple[str, ...]


def repeated_folds(
    labels: Mapping[str, int], *, folds: int = 5, seed: int, validation_share: float = 0.2
) -> tuple[Fold, ...]:
    """Draw repeated random 80/20 splits of the training patients, as the paper ("five folds").

    Parameters
    ----------
    labels
        Patient -> label to stratify by. A patient has all views on one side by construction.
    seed
        Equal seeds give equal folds, whatever the order of the mapping.

    Raises
    ------
    TrainingError
        If a label has fewer than two patients, so that it cannot stand on both sides.
    """
    patients = sorted(labels)
    values = [labels[patient] for patient in patients]
    for value in sorted(set(values)):
        if values.count(value) < 2:
            msg = f"label {value} has {values.count(value)} patient, at least 2 are needed to split"
            raise TrainingError(msg)
    splitter = StratifiedShuffleSplit(n_splits=folds, test_size=validation_share, random_state=seed)
    return tuple(
        Fold(tuple(patients[i] for i in training), tuple(patients[i] for i in validation))
        for training, validation in splitter.split(patients, values)
    )


def refuse_overlap(groups: Mapping[str, Sequence[str]]) -> None:
    """Check that no patient stands in two groups.

    Raises
    ------
    TrainingError
        Naming the two groups and how many patients they share.
    """
    names = sorted(groups)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = set(groups[first]) & set(groups[second])
            if shared:
                msg = f"{first} and {second} share {len(shared)} patients"
                raise TrainingError(msg)
