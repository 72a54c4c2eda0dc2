"""What the registry knows of its bundles, as plain values."""

from typing import Any

from dcis_node.errors import TrainingError
from dcis_node.model.manifest import MANIFEST_NAME, Manifest, parse_manifest
from storage.registry import Published, Registry
from training.evaluation import Evaluation
from training.promotion.lookup import speaking_bundle
from training.promotion.publish import evaluations_of

Json = dict[str, Any]


def list_registry(registry: Registry) -> list[Json]:
    """List the bundles in the order of their publication."""
    speaking = speaking_bundle(registry)
    return [_row(registry, bundle, speaking) for bundle in registry.listed()]


def describe(registry: Registry, sha256: str) -> Json:
    """Tell all of one bundle, with every hash checked.

    Raises
    ------
    StorageError
        A file or a note was altered.
    """
    registry.verify(sha256)
    row = next(row for row in list_registry(registry) if row["sha256"] == sha256)
    notes = registry.notes_of(sha256)
    for name in notes:
        registry.read_note(sha256, name)
    files = next(bundle.files for bundle in registry.listed() if bundle.sha256 == sha256)
    history = [
        {"at": entry.at, "event": entry.event, "name": entry.values.get("name", "")}
        for entry in registry.entries()
        if entry.values.get("bundle") == sha256
    ]
    evaluations = [_evaluation(evaluation) for evaluation in evaluations_of(registry, sha256)]
    return {**row, "files": files, "notes": notes, "evaluations": evaluations, "history": history}


def _row(registry: Registry, bundle: Published, speaking: str) -> Json:
    manifest = _manifest(registry, bundle.sha256)
    notes = registry.notes_of(bundle.sha256)
    compared = [name.removeprefix("comparison-").removesuffix(".json") for name in notes if "comparison-" in name]
    return {
        "sha256": bundle.sha256,
        "name": manifest.name,
        "version": manifest.version,
        "scenario": manifest.scenario,
        "synthetic": manifest.synthetic,
        "threshold": manifest.threshold,
        "since": bundle.since,
        "evaluations": sum(name.startswith("evaluation-") for name in notes),
        "compared_with": compared,
        "active": bundle.sha256 == speaking,
    }


def _manifest(registry: Registry, sha256: str) -> Manifest:
    try:
        text = (registry.bundle_folder(sha256) / MANIFEST_NAME).read_bytes()
    except OSError as error:
        msg = f"bundle {sha256}: {MANIFEST_NAME} cannot be read: {error.strerror}"
        raise TrainingError(msg) from error
    return parse_manifest(text)


def _evaluation(evaluation: Evaluation) -> Json:
    sides = {side: evaluation.figures[side] for side in ("given", "found")}
    return {
        "sha256": evaluation.sha256,
        "test_sha256": evaluation.test_sha256,
        "made_at": evaluation.made_at,
        **{f"{side}_auc": None if figures is None else figures["auc"]["value"] for side, figures in sides.items()},
    }
