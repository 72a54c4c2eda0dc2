"""Into the registry: the bundle, its evaluations, and what it says of the smoke exam."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle, load_bundle
from dcis_node.model.manifest import MANIFEST_NAME
from storage.registry import Registry
from training.evaluation import EVALUATION_NAME, Evaluation, read_evaluation
from training.promotion.smoke import Json

SMOKE_NAME = "smoke.json"


@dataclass(frozen=True)
class PublishedBundle:
    """What a publication did; `new` and `notes` say what was not there before."""

    bundle: Bundle
    new: bool
    notes: tuple[str, ...]


def publish(
    registry: Registry,
    folder: Path,
    evaluations: Sequence[Path],
    *,
    smoke: Callable[[Bundle], Json],
    now: float,
) -> PublishedBundle:
    """Put a bundle with its evaluations into the registry; what is there already is left as it is.

    Parameters
    ----------
    folder
        Of the bundle.
    evaluations
        Files, or the folders that hold them; all of this bundle.
    smoke
        Judges the smoke exam by a bundle.
    now
        Unix seconds.

    Raises
    ------
    BundleError
        The bundle does not load.
    TrainingError
        An evaluation is of another bundle or was edited; nothing is published then.
    StorageError
        The registry cannot be written.
    """
    bundle = load_bundle(folder)
    read = [_evaluation_of(bundle, path) for path in evaluations]
    names = [MANIFEST_NAME, *(file.name for file in bundle.manifest.weights)]
    new = registry.publish(
        folder,
        bundle.sha256,
        names=names,
        check=lambda copy: load_bundle(copy, expected_sha256=bundle.sha256),
        now=now,
    )
    notes = [
        name
        for path, evaluation in read
        if registry.note(bundle.sha256, name := evaluation_name(evaluation.sha256), path.read_bytes(), now=now)
    ]
    if SMOKE_NAME not in registry.notes_of(bundle.sha256):
        text = json.dumps(smoke(bundle), indent=1, allow_nan=False)
        registry.note(bundle.sha256, SMOKE_NAME, text.encode("ascii"), now=now)
        notes.append(SMOKE_NAME)
    return PublishedBundle(bundle, new, tuple(notes))


def evaluation_name(sha256: str) -> str:
    """Give the name under which an evaluation is kept beside its bundle."""
    return f"evaluation-{sha256[:12]}.json"


def evaluations_of(registry: Registry, sha256: str) -> tuple[Evaluation, ...]:
    """Read the evaluations of a bundle, the newest last, each held to the journal's hash and to its own.

    Raises
    ------
    StorageError, TrainingError
        One was edited.
    """
    names = [name for name in registry.notes_of(sha256) if name.startswith("evaluation-")]
    found = []
    for name in names:
        registry.read_note(sha256, name)
        found.append(read_evaluation(registry.note_path(sha256, name)))
    return tuple(found)


def _evaluation_of(bundle: Bundle, path: Path) -> tuple[Path, Evaluation]:
    file = path / EVALUATION_NAME if path.is_dir() else path
    evaluation = read_evaluation(file)
    if evaluation.bundle_sha256 != bundle.sha256:
        msg = f"{file} is an evaluation of bundle {evaluation.bundle_sha256[:12]}, not of {bundle.sha256[:12]}"
        raise TrainingError(msg)
    return file, evaluation
