import json

import pytest

from dcis_node.errors import StorageError
from storage.journal import append_entry, read_journal

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path):
    journal = tmp_path / "journal.jsonl"
    for number in range(3):
        append_entry(journal, "happened", {"to": number}, now=NOW + number)
    return journal


def test_what_was_written_is_read_in_its_order(path):
    entries = read_journal(path)
    assert [(entry.number, entry.event, entry.values) for entry in entries] == [
        (1, "happened", {"to": 0}),
        (2, "happened", {"to": 1}),
        (3, "happened", {"to": 2}),
    ]
    assert [entry.at for entry in entries][:2] == ["2023-11-14T22:13:20+00:00", "2023-11-14T22:13:21+00:00"]
    assert [entry.previous for entry in entries] == ["", entries[0].sha256, entries[1].sha256]


def test_there_is_nothing_in_a_journal_that_is_not_there(tmp_path):
    assert read_journal(tmp_path / "journal.jsonl") == ()


@pytest.mark.parametrize("line", [0, 1, 2])
def test_an_edited_line_is_found(path, line):
    lines = path.read_text().splitlines()
    lines[line] = lines[line].replace('"to":', '"ti":')
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StorageError, match=f"line {line + 1}"):
        read_journal(path)
    with pytest.raises(StorageError, match="edited"):
        append_entry(path, "happened", {}, now=NOW)


def test_a_line_taken_out_or_put_elsewhere_or_no_json_is_found(path):
    first, second, third = path.read_text().splitlines()
    for lines in ((second, third), (first, third), (first, third, second), (first, "{}", third), (first, "no", third)):
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(StorageError, match="edited"):
            read_journal(path)


def test_a_line_with_a_fresh_hash_of_its_own_does_not_fit_the_chain(tmp_path, path):
    other = tmp_path / "other.jsonl"
    append_entry(other, "happened", {"to": 9}, now=NOW)
    append_entry(other, "happened", {"to": 1}, now=NOW + 1)
    lines = path.read_text().splitlines()
    lines[1] = other.read_text().splitlines()[1]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StorageError, match="line 2"):
        read_journal(path)


def test_a_line_that_was_not_finished_does_not_count_and_gives_way_to_the_next(path):
    whole = path.read_bytes()
    for length in (1, 20, whole.index(b"\n")):
        path.write_bytes(whole + whole[:length])
        assert len(read_journal(path)) == 3
    entry = append_entry(path, "happened", {"to": 3}, now=NOW)
    assert entry.number == 4
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_a_journal_that_cannot_be_read_is_said_to_be(tmp_path):
    with pytest.raises(StorageError, match="cannot be read"):
        read_journal(tmp_path)
