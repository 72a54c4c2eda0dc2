"""Names and hashes: what exactly was judged, on what, made with what."""

import json
from collections.abc import Mapping

from training.evaluation import Evaluation
from training.run import Run

Pairs = tuple[tuple[str, str], ...]


def identity(evaluation: Evaluation, run: Run | None = None) -> Pairs:
    """Give the hashes that tell one result from another."""
    pairs = (
        ("bundle", f"{evaluation.bundle_name} {evaluation.bundle_version}"),
        ("bundle SHA-256", evaluation.bundle_sha256),
        ("cohort SHA-256", evaluation.cohort_sha256),
        ("splits SHA-256", evaluation.splits_sha256),
        ("test set SHA-256", evaluation.test_sha256),
        ("evaluation SHA-256", evaluation.sha256),
        ("pretrained weights SHA-256", run.pretrained_sha256 if run else ""),
        ("test images unseen in training", evaluation.leak_check),
    )
    return tuple((name, value) for name, value in pairs if value)


def made_with(evaluation: Evaluation, run: Run, software: Mapping[str, str]) -> Pairs:
    """Give versions and settings of training, evaluation and report."""
    return (
        ("trained with", _versions(run.software)),
        ("recipe", f"{run.recipe.name}, seed {run.seed}, {len(run.folds)} folds, scenario {run.scenario}"),
        (
            "stages",
            "; ".join(f"{s.name}: {s.epochs} epochs, batch {s.batch}, rate {s.learning_rate:g}" for s in run.stages()),
        ),
        ("network", json.dumps(run.recipe.network.to_json(), sort_keys=True)),
        ("evaluated with", json.dumps(evaluation.source, sort_keys=True)),
        ("reported with", _versions(software)),
    )


def _versions(software: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(software.items())) or "not recorded"
