"""From publication to the switch, and every way to get round the gates."""

import json

import pytest

from dcis_node.errors import BundleError, StorageError, TrainingError
from tests.training.promotion.conftest import NOW
from tests.training.promotion.judged import OTHER_TEST_SET, of_bundle, written
from training.bundle_word import bundle_folder_of
from training.promotion.compare import compare_bundles, default_champion
from training.promotion.describe import describe, list_registry
from training.promotion.gates import registry_with
from training.promotion.lookup import find_bundle, speaking_bundle
from training.promotion.promote import judge, promote
from training.promotion.publish import evaluations_of, publish


def smoke(bundle):
    view = {"source": "given", "probability": 0.5, "fold_probabilities": [0.5], "centre": [1.0, 2.0], "outlined_px": 9}
    return {"format": "dcis-smoke/1", "bundle_sha256": bundle.sha256, "views": {"CC": view}}


@pytest.fixture
def put(registry, bundle_folders, tmp_path, shipped):
    """Publish a bundle by its name with an evaluation; give its hash."""

    def publish_it(name, evaluation, *, into=registry):
        path = written(evaluation, tmp_path / f"{name}-{evaluation.test_sha256[:4]}-{evaluation.made_at[-9:-6]}")
        return publish(into, bundle_folders / name, [path.parent], smoke=smoke, now=NOW).bundle.sha256

    return publish_it


@pytest.fixture
def compared(registry, put, good, middling):
    """The shipped bundle and a better one, compared; gives the better one's hash."""
    champion, candidate = put("shipped", middling), put("better", good)
    compare_bundles(registry, candidate, champion, now=NOW)
    return candidate


def promoted(registry, candidate, *, first=False):
    return promote(registry, judge(registry, candidate, first=first, smoke=smoke), now=NOW)


def overwrite(path, data):
    path.unlink()
    path.write_bytes(data)


class TestPublishing:
    def test_a_bundle_is_published_with_its_evaluation_and_smoke_exam_once(
        self, registry, bundle_folders, good, tmp_path
    ):
        path = written(good, tmp_path / "e")
        first = publish(registry, bundle_folders / "better", [path], smoke=smoke, now=NOW)
        again = publish(registry, bundle_folders / "better", [path], smoke=smoke, now=NOW)
        assert (first.new, len(first.notes)) == (True, 2)
        assert (again.new, again.notes) == (False, ())
        assert [e.test_sha256 for e in evaluations_of(registry, good.bundle_sha256)] == [good.test_sha256]

    def test_a_further_evaluation_can_be_added_later(self, registry, put, good, bundles):
        sha256 = put("better", good)
        put("better", of_bundle(good, bundles["better"], test_sha256=OTHER_TEST_SET))
        assert [e.test_sha256 for e in evaluations_of(registry, sha256)] == [good.test_sha256, OTHER_TEST_SET]

    def test_an_evaluation_of_another_bundle_or_an_edited_one_publishes_nothing(
        self, registry, bundle_folders, good, middling, tmp_path
    ):
        other, edited = written(middling, tmp_path / "a"), written(good, tmp_path / "b")
        edited.write_text(edited.read_text().replace('"passed"', '"Passed"'))
        for path, said in ((other, "evaluation of bundle"), (edited, "was edited")):
            with pytest.raises(TrainingError, match=said):
                publish(registry, bundle_folders / "better", [path], smoke=smoke, now=NOW)
        assert registry.listed() == ()

    def test_demo_is_the_shipped_bundle(self, shipped, tmp_path):
        assert bundle_folder_of("demo") == shipped
        assert bundle_folder_of(str(tmp_path)) == tmp_path


class TestPromoting:
    def test_the_first_promotion_beats_the_shipped_bundle_and_a_rollback_brings_it_back(self, registry, compared):
        assert speaking_bundle(registry) == default_champion(registry) != compared
        active = promoted(registry, compared, first=True)
        assert registry.active() == active
        assert active.sha256 == compared == speaking_bundle(registry)
        (note,) = (name for name in registry.notes_of(compared) if name.startswith("comparison-"))
        assert json.loads(registry.read_note(compared, note))["sha256"] == active.comparison
        registry.roll_back(now=NOW)
        assert speaking_bundle(registry) == default_champion(registry) != compared

    def test_the_next_one_needs_a_comparison_with_the_active_bundle(self, registry, compared, put, bad):
        worse = put("worse", bad)
        compare_bundles(registry, worse, default_champion(registry), now=NOW)
        promoted(registry, compared, first=True)
        with pytest.raises(TrainingError, match="was not compared with the active bundle"):
            promoted(registry, worse)
        compare_bundles(registry, worse, default_champion(registry), now=NOW)
        judgement = judge(registry, worse, first=False, smoke=smoke)
        assert not judgement.passed
        with pytest.raises(TrainingError, match=r"gates not passed \(AUC, lesion given"):
            promote(registry, judgement, now=NOW)
        assert registry.active().sha256 == compared

    def test_a_judgement_is_void_when_another_bundle_became_active_meanwhile(
        self, registry, compared, put, good, bundles
    ):
        other = put("worse", of_bundle(good, bundles["worse"]))
        compare_bundles(registry, other, default_champion(registry), now=NOW)
        judgement = judge(registry, other, first=True, smoke=smoke)
        promoted(registry, compared, first=True)
        with pytest.raises(StorageError, match="active meanwhile"):
            promote(registry, judgement, now=NOW)

    def test_without_a_comparison_nothing_is_promoted(self, registry, put, good):
        with pytest.raises(TrainingError, match="was not compared"):
            promoted(registry, put("better", good), first=True)

    def test_first_is_said_if_and_only_if_it_is(self, registry, compared):
        with pytest.raises(TrainingError, match="--first"):
            promoted(registry, compared)
        promoted(registry, compared, first=True)
        with pytest.raises(TrainingError, match="--first is for"):
            promoted(registry, compared, first=True)
        with pytest.raises(TrainingError, match="active one already"):
            promoted(registry, compared)

    def test_an_edited_comparison_is_refused_also_with_a_fresh_hash_of_its_own(self, registry, compared):
        (name,) = (name for name in registry.notes_of(compared) if name.startswith("comparison-"))
        path = registry.note_path(compared, name)
        values = json.loads(path.read_text())
        values["given"]["npv"]["candidate"] = 0.9999
        overwrite(path, json.dumps(values).encode())
        with pytest.raises(StorageError, match="was edited"):
            promoted(registry, compared, first=True)
        registry.note(compared, name, path.read_bytes(), now=NOW)
        with pytest.raises(TrainingError, match="was edited"):
            promoted(registry, compared, first=True)

    @pytest.mark.parametrize("kind", ["evaluation-", "smoke"])
    def test_an_edited_note_is_refused(self, registry, compared, kind):
        name = next(name for name in registry.notes_of(compared) if name.startswith(kind))
        path = registry.note_path(compared, name)
        overwrite(path, path.read_bytes() + b" ")
        with pytest.raises(StorageError, match=f"{kind}.*was edited"):
            promoted(registry, compared, first=True)

    def test_edited_gates_are_refused(self, registry, compared):
        path = registry.folder / "gates.toml"
        path.write_bytes(path.read_bytes().replace(b"npv_least = 0.80", b"npv_least = 0.10"))
        with pytest.raises(StorageError, match="edited after the first comparison"):
            promoted(registry, compared, first=True)
        with pytest.raises(StorageError, match="edited after the first comparison"):
            compare_bundles(registry, compared, default_champion(registry), now=NOW)

    def test_an_altered_bundle_is_refused(self, registry, compared):
        path = registry.bundle_folder(compared) / "fold-1.safetensors"
        overwrite(path, b"other weights")
        with pytest.raises((StorageError, BundleError), match=r"fold-1\.safetensors is missing or was altered"):
            promoted(registry, compared, first=True)

    def test_a_smoke_exam_that_gives_something_else_is_not_promoted(self, registry, compared):
        def otherwise(bundle):
            said = smoke(bundle)
            said["views"]["CC"]["fold_probabilities"] = [0.6]
            return said

        judgement = judge(registry, compared, first=True, smoke=otherwise)
        assert [v.gate for v in judgement.verdicts if not v.passed] == ["smoke exam, largest deviation"]


class TestComparing:
    def test_another_test_set_is_refused_for_good(self, registry, compared, put, good, middling, bundles):
        put("better", of_bundle(good, bundles["better"], test_sha256=OTHER_TEST_SET))
        put("shipped", of_bundle(middling, bundles["shipped"], test_sha256=OTHER_TEST_SET))
        found = compare_bundles(registry, compared, default_champion(registry), now=NOW)
        assert found["test_sha256"] == good.test_sha256
        worse = put("worse", of_bundle(good, bundles["worse"], test_sha256=OTHER_TEST_SET))
        with pytest.raises(TrainingError, match="locked test set"):
            compare_bundles(registry, worse, compared, now=NOW)

    def test_two_bundles_without_a_shared_test_set_fix_nothing(self, registry, put, good, middling, bundles):
        mine = put("better", of_bundle(good, bundles["better"], test_sha256=OTHER_TEST_SET))
        theirs = put("shipped", middling)
        with pytest.raises(TrainingError, match="no evaluation on one test set"):
            compare_bundles(registry, mine, theirs, now=NOW)
        with pytest.raises(TrainingError, match="same bundle"):
            compare_bundles(registry, mine, mine, now=NOW)
        assert registry.terms() is None

    def test_a_champion_that_was_not_published_is_asked_for(self, registry, put, good):
        put("better", good)
        with pytest.raises(TrainingError, match="publish demo"):
            default_champion(registry)

    def test_bounds_instead_of_a_champion_only_where_the_gates_allow_it_and_nothing_is_active(
        self, registry, put, good, tmp_path, compared
    ):
        with pytest.raises(TrainingError, match="gates allow it"):
            compare_bundles(registry, compared, None, now=NOW)
        other = registry_with(tmp_path / "other", "demonstration", now=NOW)
        sha256 = put("better", good, into=other)
        compare_bundles(other, sha256, None, now=NOW)
        active = promoted(other, sha256, first=True)
        assert active.sha256 == sha256
        with pytest.raises(TrainingError, match="without an active bundle"):
            compare_bundles(other, sha256, None, now=NOW)


class TestLooking:
    def test_a_bundle_is_found_by_its_first_digits_and_by_its_folder(self, registry, put, good, bundle_folders):
        sha256 = put("better", good)
        assert find_bundle(registry, str(bundle_folders / "better")) == sha256
        with pytest.raises(TrainingError, match="worse"):
            find_bundle(registry, str(bundle_folders / "worse"))
        assert find_bundle(registry, sha256) == find_bundle(registry, sha256[:6].upper()) == sha256
        for digits in (sha256[:5], "0" * 12, ""):
            with pytest.raises(TrainingError, match=sha256[:12]):
                find_bundle(registry, digits)

    def test_list_and_show_say_what_is_there(self, registry, compared):
        rows = {row["sha256"]: row for row in list_registry(registry)}
        assert rows[compared]["compared_with"] == [default_champion(registry)[:12]]
        assert rows[default_champion(registry)]["active"]
        told = describe(registry, compared)
        assert [event["event"] for event in told["history"]] == ["published", "noted", "noted", "compared"]
        assert told["evaluations"][0]["given_auc"] > 0.9

    def test_show_checks_every_hash(self, registry, compared):
        overwrite(registry.note_path(compared, "smoke.json"), b"{}")
        with pytest.raises(StorageError, match=r"smoke\.json was edited"):
            describe(registry, compared)
