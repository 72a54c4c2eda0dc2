"""Places over real processes that are really killed."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcis_node.receive.places import MOST_PLACES, Places, Taken
from tests.peers import wait_until

FORK = multiprocessing.get_context("fork")


def up_to(most: int):
    return lambda taken: "full" if taken.total >= most else None


def always(_: Taken) -> None:
    return None


def counted(places: Places, aet: str = "PACS", address: str = "10.0.0.1") -> Taken:
    """What the next one would be told; it takes nothing."""
    return places.take(aet, address, judge=lambda taken: taken)[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "associations"


@pytest.fixture
def places(path: Path) -> Iterator[Places]:
    opened = Places(path)
    yield opened
    opened.close()


@pytest.fixture
def other(path: Path) -> Iterator[Places]:
    opened = Places(path)
    yield opened
    opened.close()


def test_what_others_took_is_counted_by_title_and_address(places: Places, other: Places) -> None:
    other.take("PACS", "10.0.0.1", judge=always)
    other.take("PACS", "10.0.0.2", judge=always)
    places.take("GATE", "10.0.0.1", judge=always)
    assert counted(places) == counted(other) == Taken(total=3, of_aet=2, of_address=2)
    assert counted(other, "ELSE", "10.9.9.9") == Taken(total=3)


def test_a_place_given_back_is_free(places: Places, other: Places) -> None:
    place, _ = places.take("PACS", "10.0.0.1", judge=up_to(1))
    assert other.take("PACS", "10.0.0.1", judge=up_to(1)) == (None, "full")
    places.free(place)
    assert counted(other) == Taken()
    assert other.take("PACS", "10.0.0.1", judge=up_to(1)) == (place, None)


def test_a_place_can_be_given_back_late_and_twice(path: Path) -> None:
    places = Places(path)
    place, _ = places.take("PACS", "10.0.0.1", judge=always)
    places.free(place)
    places.free(place)
    places.close()
    places.free(place)


def test_the_first_and_the_last_place_can_be_taken(places: Places, other: Places) -> None:
    taken = [places.take(f"AE{number}", "10.0.0.1", judge=up_to(MOST_PLACES))[0] for number in range(MOST_PLACES)]
    assert taken == list(range(1, MOST_PLACES + 1))
    assert counted(other, "AE7") == Taken(total=MOST_PLACES, of_aet=1, of_address=MOST_PLACES)
    assert other.take("PACS", "10.0.0.1", judge=up_to(MOST_PLACES)) == (None, "full")


def test_a_judge_that_fails_takes_nothing_and_leaves_the_door_open(places: Places, other: Places) -> None:
    with pytest.raises(ZeroDivisionError):
        places.take("PACS", "10.0.0.1", judge=lambda _: 1 / 0)
    assert counted(other) == Taken()


def test_without_a_file_nobody_shares_the_places(places: Places) -> None:
    alone = Places()
    alone.take("PACS", "10.0.0.1", judge=always)
    assert counted(alone).total == 1
    assert counted(places).total == 0
    alone.close()


def test_the_file_holds_nothing(places: Places, path: Path) -> None:
    places.take("PACS", "10.0.0.1", judge=always)
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o600


def hold(path: Path, most: int, tries: int, ready, go) -> None:
    """Be a receiver that takes what it gets, in several threads, and holds it until it is killed."""
    places = Places(path)
    ready.release()
    go.wait()
    threads = [
        threading.Thread(target=lambda: [places.take("PACS", "10.0.0.1", judge=up_to(most)) for _ in range(tries)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ready.release()
    threading.Event().wait()


def test_processes_that_race_never_take_more_than_there_are_and_a_kill_frees_what_one_held(
    path: Path, places: Places
) -> None:
    ready, go = FORK.Semaphore(0), FORK.Event()
    processes = [FORK.Process(target=hold, args=(path, 40, 5, ready, go)) for _ in range(3)]
    for process in processes:
        process.start()
    assert all(ready.acquire(timeout=20) for _ in processes)
    go.set()
    assert all(ready.acquire(timeout=20) for _ in processes)
    assert counted(places) == Taken(40, 40, 40)
    for process in processes[:2]:
        process.kill()
        process.join(20)
    left = counted(places).total
    assert 10 <= left <= 15  # of 45 tries in three processes, 40 were served
    assert places.take("PACS", "10.0.0.1", judge=up_to(left + 1))[0] is not None
    processes[2].kill()
    processes[2].join(20)
    assert counted(places).total == 1


def take_forever(path: Path, started) -> None:
    places = Places(path)
    while True:
        place, _ = places.take("PACS", "10.0.0.1", judge=always)
        started.set()
        places.free(place)


def test_a_process_killed_at_any_moment_holds_up_nobody(path: Path, places: Places) -> None:
    for _ in range(5):
        started = FORK.Event()
        process = FORK.Process(target=take_forever, args=(path, started))
        process.start()
        assert started.wait(20)
        os.kill(process.pid, 9)
        process.join(20)
        assert counted(places) == Taken()


def test_the_judge_is_alone(places: Places, other: Places) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(_: Taken) -> None:
        inside.set()
        assert go_on.wait(20)

    first = threading.Thread(target=places.take, args=("PACS", "10.0.0.1"), kwargs={"judge": slow})
    answers: list[Taken] = []
    second = threading.Thread(target=lambda: answers.append(counted(other)))
    first.start()
    assert inside.wait(20)
    second.start()
    second.join(0.2)
    assert answers == []
    go_on.set()
    wait_until(lambda: answers, "the second is asked")
    assert answers == [Taken(1, 1, 1)]
    first.join(20)
