"""publish, list, show, compare, promote and rollback as a researcher types them."""

import json

import pytest
from typer.testing import CliRunner

from dcis_node.model.bundle import load_bundle
from storage.registry import open_registry
from tests.training.promotion.judged import evaluation_of, judged_views, tiny_bundle, written
from training.cli import app


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Few draws, and a smoke exam without its phantom: both are tested on their own."""
    view = {"source": "given", "probability": 0.5, "fold_probabilities": [0.5], "centre": [1.0, 2.0], "outlined_px": 9}

    def smoke(ensemble):
        return {"format": "dcis-smoke/1", "bundle_sha256": ensemble.bundle.sha256, "views": {"CC": view}}

    monkeypatch.setattr("training.promotion.comparison.SAMPLES", 100)
    monkeypatch.setattr("training.promotion.smoke.smoke_exam", smoke)


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Give a function that types a verb with the registry, and gives exit code, standard output and error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        result = CliRunner().invoke(app, [*map(str, words), "--registry", str(tmp_path / "registry")])
        return result.exit_code, result.stdout, " ".join(result.stderr.split())

    return run


def test_the_whole_way_from_a_bundle_to_the_switch_and_back(tmp_path, typed, monkeypatch):
    shipped, better = tmp_path / "shipped", tmp_path / "better"
    for seed, (folder, noise) in enumerate(((shipped, 0.3), (better, 0.15))):
        bundle = tiny_bundle(folder, seed)
        written(evaluation_of(bundle, judged_views(noise=noise, seed=seed)), tmp_path / f"{folder.name}-e")
    monkeypatch.setattr("training.bundle_word.demo_bundle_folder", lambda: shipped)
    old, new = load_bundle(shipped).sha256, load_bundle(better).sha256

    code, said, warned = typed("publish", better, "--evaluation", tmp_path / "better-e", "--device", "cpu")
    assert (code, f"bundle {new}" in said, "RESEARCH USE ONLY" in warned) == (0, True, True)
    code, _, refused = typed("compare", new[:8])
    assert (code, "dcis-train publish demo" in refused) == (1, True)
    code, said, _ = typed("publish", "demo", "--evaluation", tmp_path / "shipped-e", "--device", "cpu")
    assert (code, "published: tiny-synthetic 0 (SYNTHETIC)" in said) == (0, True)
    assert typed("publish", "demo", "--device", "cpu")[1].startswith("there already")

    code, _, refused = typed("promote", new[:8], "--first", "--device", "cpu")
    assert (code, "was not compared" in refused) == (1, True)
    code, said, _ = typed("compare", new[:8])
    assert code == 0
    assert all(word in said for word in ("lesion given: 60 patients", "AUC, vendor ge", "p = ", "SYNTHETIC"))
    compared = json.loads(typed("compare", new[:8], "--champion", old[:8], "--json")[1])
    assert (compared["candidate"]["sha256"], compared["champion"]["sha256"]) == (new, old)

    code, said, _ = typed("promote", new[:8], "--first", "--device", "cpu")
    assert (code, "Gates" in said, "NOT PASSED" in said) == (0, True, False)
    assert open_registry(tmp_path / "registry").active().sha256 == new
    listed = json.loads(typed("list", "--json")[1])["bundles"]
    assert {row["sha256"]: row["active"] for row in listed} == {new: True, old: False}
    assert "active" in typed("list")[1]

    code, said, _ = typed("show", new[:8])
    assert (code, "promoted" in said, f"{new}" in said) == (0, True, True)
    assert json.loads(typed("show", new[:8], "--json")[1])["active"]

    code, said, _ = typed("rollback")
    assert (code, "the bundle shipped with the node" in said) == (0, True)
    assert typed("rollback")[0] == 1


def test_a_bundle_that_fails_a_gate_is_told_which_and_stays_where_it_is(tmp_path, typed, monkeypatch):
    bundles = {name: tiny_bundle(tmp_path / name, seed) for seed, name in enumerate(("shipped", "worse"))}
    monkeypatch.setattr("training.bundle_word.demo_bundle_folder", lambda: tmp_path / "shipped")
    for noise, (name, bundle) in zip((0.15, 0.9), bundles.items(), strict=True):
        written(evaluation_of(bundle, judged_views(noise=noise, miss=noise / 3)), tmp_path / f"{name}-e")
        typed("publish", tmp_path / name, "--evaluation", tmp_path / f"{name}-e", "--device", "cpu")
    worse = bundles["worse"].sha256[:12]
    assert typed("compare", worse)[0] == 0
    code, said, refused = typed("promote", worse, "--first", "--device", "cpu")
    assert (code, "NOT PASSED" in said, "not promoted" in refused) == (1, True, True)
    assert open_registry(tmp_path / "registry").active() is None


def test_a_folder_that_is_no_registry_is_refused_by_every_verb(typed):
    for words in (("list",), ("show", "abcdef"), ("compare", "abcdef"), ("promote", "abcdef"), ("rollback",)):
        code, said, refused = typed(*words)
        assert (code, said, "is no registry" in refused) == (1, "", True)
