"""Bad files, the short run; the whole one is `python -m benchmarks.fuzz_files`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.files import FileStore
from tests.fuzz.elements import Coding
from tests.fuzz.files import WAYS, bad_file
from tests.fuzz.nasty import OUTSIDE
from tests.fuzz.peer import echo
from tests.fuzz.receivers import Receivers
from tests.fuzz.seeds import seeds
from tests.fuzz.sending import calling_aet, reasons, store
from tests.fuzz.watch import damaged, faults, named, strays, tree

COUNT = 2 * len(WAYS)


def test_bad_files_are_answered_with_their_reason_and_nothing_is_written_outside_the_store(
    receivers: Receivers,
) -> None:
    files = FileStore(receivers.configuration.folder / "store")
    before = tree(receivers.folder)
    seeds()  # made here once: four threads would make them at once, under one set of warning filters
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda number: store(receivers.port, bad_file(5, number)), range(COUNT)))
    why = reasons(receivers.log())
    assert [one for one in sent if not one.is_clean] == []
    assert [one for one in sent if one.status is None and calling_aet(one.number) not in why] == []
    assert {one.status for one in sent} >= {0x0000, 0xA900, 0xC000}
    assert echo(receivers.port) < 10.0
    assert receivers.died() == 0
    assert faults(receivers.log()) == []
    assert strays(receivers.folder, before, store=files.root) == []
    assert named(OUTSIDE, receivers.folder / "cwd", receivers.folder / "tmp", Path("/tmp"), Path("/")) == []  # noqa: S108
    assert damaged(files.root) == []
    assert list(files.incoming.iterdir()) == []


def test_a_file_is_repeated_by_its_seed_and_number() -> None:
    assert bad_file(1, 77) == bad_file(1, 77)
    assert bad_file(1, 77) != bad_file(2, 77)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_spoils_an_object(way: str) -> None:
    number = tuple(WAYS).index(way)
    good = {seed.data_set for seed in seeds()}
    spoiled = [bad_file(1, number + turn * len(WAYS)) for turn in range(4)]
    assert all(way in file.ways for file in spoiled)
    assert any(file.data_set not in good for file in spoiled)


def test_the_elements_of_every_good_object_are_found_to_its_end() -> None:
    little = [seed for seed in seeds() if seed.name.startswith("own/") and seed.syntax == "1.2.840.10008.1.2.1"]
    for seed in little:
        *_, last = Coding().walk(seed.data_set)
        assert last.end == len(seed.data_set)
