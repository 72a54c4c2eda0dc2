import json
import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from dcis_node.errors import StorageError
from storage import durable
from storage.activation import SWITCHES
from storage.registry import Registry, Terms, create_registry, open_registry
from tests.storage.bundles import NAMES, NOW, bundle_files, published

GATES = b"[gates]\nauc_margin = 0.05\n"
TERMS = Terms("a" * 64, "b" * 64)


@pytest.fixture
def registry(tmp_path) -> Registry:
    return create_registry(tmp_path / "registry", gates=GATES, now=NOW)


@pytest.fixture
def terms(registry) -> Terms:
    return Terms("a" * 64, durable.file_sha256(registry.folder / "gates.toml"))


def events(registry):
    return [entry.event for entry in registry.entries()]


class TestMaking:
    def test_a_registry_is_made_once_and_keeps_its_gates(self, registry):
        again = create_registry(registry.folder, gates=b"others", now=NOW + 1)
        assert again == open_registry(registry.folder) == registry
        assert registry.gates() == GATES
        assert events(registry) == ["created"]

    def test_a_folder_with_other_things_is_left_alone(self, tmp_path):
        (tmp_path / "letter.txt").write_text("dear")
        with pytest.raises(StorageError, match="other things"):
            create_registry(tmp_path, gates=GATES, now=NOW)
        assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]

    def test_a_folder_without_a_journal_is_no_registry(self, tmp_path):
        with pytest.raises(StorageError, match="no registry"):
            open_registry(tmp_path)

    def test_a_folder_that_cannot_be_locked_says_so(self, registry):
        (registry.folder / "lock").unlink()
        (registry.folder / "lock").mkdir()
        with pytest.raises(StorageError, match="cannot be written"):
            registry.fix_terms(TERMS, now=NOW)


class TestPublishing:
    def test_a_bundle_is_copied_read_only_under_its_hash(self, registry, tmp_path):
        sha256 = published(registry, tmp_path, "one")
        folder = registry.verify(sha256)
        assert folder == registry.folder / "bundles" / sha256
        assert {path.name: path.read_text() for path in folder.iterdir()} == {name: f"{name} of one" for name in NAMES}
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
        (listed,) = registry.listed()
        assert (listed.sha256, listed.since) == (sha256, "2023-11-14T22:13:20+00:00")

    def test_the_same_bundle_again_changes_nothing(self, registry, tmp_path):
        sha256 = published(registry, tmp_path, "one")
        assert not registry.publish(tmp_path / "one", sha256, names=NAMES, check=lambda _: None, now=NOW)
        assert events(registry) == ["created", "published"]

    def test_a_copy_that_does_not_pass_its_check_is_not_published(self, registry, tmp_path):
        def refuse(folder: Path) -> None:
            assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
            raise ValueError("another bundle")

        sha256 = bundle_files(tmp_path / "one", "one")
        with pytest.raises(ValueError, match="another"):
            registry.publish(tmp_path / "one", sha256, names=NAMES, check=refuse, now=NOW)
        assert registry.listed() == ()
        assert published(registry, tmp_path, "one") == sha256
        assert list((registry.folder / "incoming").iterdir()) == []

    def test_a_missing_file_and_a_bad_name_are_refused(self, registry, tmp_path):
        sha256 = bundle_files(tmp_path / "one", "one")
        with pytest.raises(StorageError, match="cannot be written"):
            registry.publish(tmp_path / "one", sha256, names=["fold-9.bin"], check=lambda _: None, now=NOW)
        with pytest.raises(StorageError, match="plain file name"):
            registry.publish(tmp_path / "one", sha256, names=["../one"], check=lambda _: None, now=NOW)
        with pytest.raises(StorageError, match="digest"):
            registry.bundle_folder("../x")

    @pytest.mark.parametrize("name", NAMES)
    def test_an_altered_or_missing_file_is_found(self, registry, tmp_path, name):
        sha256 = published(registry, tmp_path, "one")
        path = registry.bundle_folder(sha256) / name
        path.unlink()
        path.write_text("altered")
        with pytest.raises(StorageError, match=f"{name} is missing or was altered"):
            registry.verify(sha256)
        path.unlink()
        with pytest.raises(StorageError, match=f"{name} is missing or was altered"):
            registry.verify(sha256)

    def test_what_was_never_published_is_not_there(self, registry):
        with pytest.raises(StorageError, match="not in the registry"):
            registry.verify("0" * 64)


class TestNotes:
    def test_a_note_is_kept_once_and_replaced_when_it_changes(self, registry, tmp_path):
        sha256 = published(registry, tmp_path, "one")
        assert registry.note(sha256, "smoke.json", b"1", now=NOW)
        assert not registry.note(sha256, "smoke.json", b"1", now=NOW)
        assert registry.note(sha256, "smoke.json", b"2", event="compared", now=NOW)
        assert registry.read_note(sha256, "smoke.json") == b"2"
        assert events(registry) == ["created", "published", "noted", "compared"]

    def test_an_edited_note_is_refused_until_it_is_noted_again(self, registry, tmp_path):
        sha256 = published(registry, tmp_path, "one")
        registry.note(sha256, "smoke.json", b"1", now=NOW)
        path = registry.note_path(sha256, "smoke.json")
        path.unlink()
        with pytest.raises(StorageError, match="cannot be read"):
            registry.read_note(sha256, "smoke.json")
        path.write_bytes(b"3")
        with pytest.raises(StorageError, match="was edited"):
            registry.read_note(sha256, "smoke.json")
        assert registry.note(sha256, "smoke.json", b"1", now=NOW)
        assert registry.read_note(sha256, "smoke.json") == b"1"

    def test_there_are_no_notes_on_unknown_bundles_and_no_unknown_notes(self, registry, tmp_path):
        with pytest.raises(StorageError, match="not in the registry"):
            registry.note("0" * 64, "smoke.json", b"1", now=NOW)
        sha256 = published(registry, tmp_path, "one")
        with pytest.raises(StorageError, match=r"has no smoke\.json"):
            registry.read_note(sha256, "smoke.json")


class TestTerms:
    def test_the_first_comparison_fixes_test_set_and_gates(self, registry, terms):
        assert registry.terms() is None
        registry.fix_terms(terms, now=NOW)
        registry.fix_terms(terms, now=NOW + 1)
        assert registry.terms() == terms
        assert events(registry) == ["created", "fixed"]
        assert json.loads((registry.folder / "test_set.json").read_text())["test_sha256"] == terms.test_sha256
        assert registry.gates() == GATES

    @pytest.mark.parametrize(
        ("other", "what"), [(Terms("b" * 64, "c" * 64), "test set"), (Terms("a" * 64, "c" * 64), "gates")]
    )
    def test_others_are_refused_ever_after(self, registry, terms, other, what):
        registry.fix_terms(terms, now=NOW)
        with pytest.raises(StorageError, match=f"{what} was fixed"):
            registry.fix_terms(other, now=NOW)

    def test_gates_may_be_chosen_before_the_first_comparison_only(self, registry, terms):
        path = registry.folder / "gates.toml"
        path.write_bytes(b"chosen")
        assert registry.gates() == b"chosen"
        registry.fix_terms(Terms("a" * 64, durable.file_sha256(path)), now=NOW)
        path.write_bytes(GATES)
        with pytest.raises(StorageError, match="edited after the first comparison"):
            registry.gates()
        path.unlink()
        with pytest.raises(StorageError, match="cannot be read"):
            registry.gates()

    def test_the_next_writer_makes_up_for_a_file_that_was_not_written(self, registry, terms):
        registry.fix_terms(terms, now=NOW)
        path = registry.folder / "test_set.json"
        before = path.read_bytes()
        path.unlink()
        registry.fix_terms(terms, now=NOW)
        assert path.read_bytes() == before


class TestSwitching:
    def test_a_new_registry_leaves_the_shipped_bundle_active(self, registry):
        assert registry.active() is None
        assert registry.stamp() is None
        assert registry.previous() is None
        with pytest.raises(StorageError, match="nothing to roll back"):
            registry.roll_back(now=NOW)

    def test_each_rollback_takes_one_promotion_back(self, registry, tmp_path):
        one, two = published(registry, tmp_path, "one"), published(registry, tmp_path, "two")
        first = registry.activate(one, comparison="c" * 64, expected="", now=NOW)
        stamps = {registry.stamp()}
        assert registry.active() == first
        registry.activate(two, comparison="d" * 64, expected=one, now=NOW)
        stamps.add(registry.stamp())
        assert registry.previous() == one
        assert registry.roll_back(now=NOW).sha256 == one
        stamps.add(registry.stamp())
        assert registry.active().sha256 == one
        assert registry.roll_back(now=NOW).sha256 == ""
        assert registry.active() is None
        assert registry.previous() is None
        assert len(stamps) == 3
        assert events(registry)[-4:] == ["promoted", "promoted", "rolled_back", "rolled_back"]

    def test_a_promotion_holds_only_against_the_bundle_it_was_compared_with(self, registry, tmp_path):
        one, two = published(registry, tmp_path, "one"), published(registry, tmp_path, "two")
        registry.activate(one, comparison="", expected="", now=NOW)
        with pytest.raises(StorageError, match="active meanwhile"):
            registry.activate(two, comparison="", expected="", now=NOW)
        with pytest.raises(StorageError, match="already"):
            registry.activate(one, comparison="", expected=one, now=NOW)
        assert registry.active().sha256 == one

    def test_an_altered_bundle_becomes_active_neither_by_promotion_nor_by_rollback(self, registry, tmp_path):
        one, two = published(registry, tmp_path, "one"), published(registry, tmp_path, "two")
        registry.activate(one, comparison="", expected="", now=NOW)
        registry.activate(two, comparison="", expected=one, now=NOW)
        (registry.bundle_folder(one) / NAMES[0]).unlink()
        with pytest.raises(StorageError, match="missing or was altered"):
            registry.roll_back(now=NOW)
        registry.publish(tmp_path / "two", "0" * 64, names=NAMES, check=lambda _: None, now=NOW)
        (registry.bundle_folder("0" * 64) / NAMES[1]).unlink()
        with pytest.raises(StorageError, match="missing or was altered"):
            registry.activate("0" * 64, comparison="", expected=two, now=NOW)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": [], "since": "", "comparison": "", "entry": ""}'])
    def test_an_edited_switch_is_found_and_mended_by_the_next_writer(self, registry, tmp_path, terms, text):
        one = published(registry, tmp_path, "one")
        active = registry.activate(one, comparison="", expected="", now=NOW)
        (registry.folder / "active.json").write_text(text)
        with pytest.raises(StorageError, match=r"active.json"):
            registry.active()
        registry.fix_terms(terms, now=NOW)
        assert registry.active() == active


STEP = 31


def _walk(folder: Path, source: Path) -> None:
    """Do everything that a registry does, from what is there already; meant to be killed anywhere and done again."""
    registry = create_registry(folder, gates=GATES, now=NOW)
    one, two = (published(registry, source, word) for word in ("one", "two"))
    registry.fix_terms(Terms("a" * 64, durable.file_sha256(folder / "gates.toml")), now=NOW)
    switches = sum(event in SWITCHES for event in events(registry))
    if switches == 0:
        registry.note(one, "smoke.json", b"1", now=NOW)
        registry.activate(one, comparison="", expected="", now=NOW)
    if switches <= 1:
        registry.activate(two, comparison="", expected=one, now=NOW)
    if switches <= 2:
        registry.roll_back(now=NOW)
    registry.note(one, "smoke.json", b"2", now=NOW)


def _walk_until_killed(folder: Path, source: Path, lines: int) -> None:
    """Die without any clean-up before the `lines`-th line of the registry's own code."""
    left = lines

    def trace(frame, event, _argument):
        nonlocal left
        if not frame.f_code.co_filename.endswith(("registry.py", "journal.py", "durable.py", "activation.py")):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os._exit(9)
        return trace

    sys.settrace(trace)
    _walk(folder, source)
    os._exit(0)


def test_a_writer_killed_at_any_line_loses_nothing_and_blocks_nobody(tmp_path):
    context = multiprocessing.get_context("fork")
    killed, lines = 0, 1
    while True:
        folder, source = tmp_path / f"r{lines}", tmp_path / "source"
        child = context.Process(target=_walk_until_killed, args=(folder, source, lines))
        child.start()
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == 9
        killed += 1
        before = Registry(folder).entries()
        _walk(folder, source)
        registry = open_registry(folder)
        assert registry.entries()[: len(before)] == before
        one, two = (bundle.sha256 for bundle in registry.listed())
        assert registry.active().sha256 == one
        assert registry.verify(two)
        assert registry.read_note(one, "smoke.json") == b"2"
        assert list((folder / "incoming").iterdir()) == []
        # Every line of the way would take a minute; the step is no multiple of any loop's length.
        lines += STEP
    assert killed > 20


def _publish_many(folder: Path, source: Path) -> None:
    registry = create_registry(folder, gates=GATES, now=NOW)
    for word in ("one", "two", "three"):
        published(registry, source, word)


def test_writers_at_once_do_not_clash(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_publish_many, args=(tmp_path / "registry", tmp_path / f"source-{number}"))
        for number in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert events(open_registry(tmp_path / "registry")) == ["created"] + ["published"] * 3
