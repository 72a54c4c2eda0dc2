"""An index that cannot be used for a while costs no view its analysis and no exam its answer, and no waiting behind."""

import sqlite3
from contextlib import closing

import pytest
from pydicom import dcmread

from dcis_node.analyse import worker
from dcis_node.analyse.worker import do_next
from dcis_node.errors import PixelError, UnusableIndexError
from dcis_node.mammogram.facts import Reason
from dcis_node.results.exam_results import build_results
from storage import engines
from storage.work import claim_instance
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    """Taken by the connections of the node that is made behind it."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.05)


@pytest.fixture
def other(tmp_path):
    """Another program that can hold the index."""
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def decoded(monkeypatch):
    """What is done once, when a view is decoded."""
    done = []

    def decode(path, _settings, *, scratch):
        if done:
            done.pop()()
        return dcmread(path).pixel_array

    monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", decode)
    return done


def fails_until_it_is_free(node: Node, other, *, rounds=3):
    for _ in range(rounds):
        with pytest.raises(UnusableIndexError):
            do_next(node.bench)
    other.execute("ROLLBACK")


def test_a_view_whose_analysis_cannot_be_written_is_taken_again_as_soon_as_it_can(node: Node, other, decoded):
    decoded.append(lambda: other.execute("BEGIN EXCLUSIVE"))
    node.receive(mammogram(1))
    fails_until_it_is_free(node, other)
    assert (node.instance(1).analysis, node.instance(1).attempts) == ("leased", 1)
    assert do_next(node.bench)
    assert (node.instance(1).analysis, node.instance(1).attempts) == ("analysed", 1)
    assert len(node.ensemble.calls) == 1  # the analysis itself was not lost
    assert node.bench.owed == []


def test_a_view_whose_fault_cannot_be_written_meets_it_again(node: Node, other, monkeypatch):
    tries = []

    def broken(path, settings, *, scratch):
        tries.append(path)
        if len(tries) == 1:
            other.execute("BEGIN EXCLUSIVE")
        raise PixelError(Reason.PIXELS_UNDECODABLE, "no picture")

    monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", broken)
    node.receive(mammogram(1))
    fails_until_it_is_free(node, other)
    assert do_next(node.bench)
    assert (node.instance(1).analysis, node.instance(1).reason, len(tries)) == ("failed", "pixels_undecodable", 2)


@pytest.mark.usefixtures("fast_decode")
def test_an_exam_whose_answer_cannot_be_written_is_taken_again_as_soon_as_it_can(node: Node, other):
    def build(answer, kinds):
        other.execute("BEGIN EXCLUSIVE")
        return build_results(answer, kinds)

    node.put(build=build)
    node.receive(mammogram(1), mammogram(2, "R MLO"))
    node.work()
    node.sweep()
    fails_until_it_is_free(node, other)
    assert do_next(node.bench)
    assert [(exam.state, exam.failure) for exam in node.exams] == [("reported", "")]
    assert set(node.reasons().values()) == {"eligible"}


@pytest.mark.usefixtures("fast_decode")
@pytest.mark.parametrize("finish", ["finish_view", "finish_exam"])
def test_however_often_the_index_is_busy_nothing_is_given_up(node: Node, monkeypatch, finish):
    left, whole = [1] * 10, getattr(worker, finish)

    def finish_when_free(*arguments, **options):
        if left:
            left.pop()
            raise UnusableIndexError("the index was busy")
        return whole(*arguments, **options)

    monkeypatch.setattr(worker, finish, finish_when_free)
    node.report(mammogram(1), mammogram(2, "R MLO"))
    while left:
        assert [exam.attempts for exam in node.exams] == [0]
        assert node.reports == []
        node.clock.now += worker.MACHINE_RETRY_SECONDS
        node.work()
    node.clock.now += worker.MACHINE_RETRY_SECONDS
    node.work()
    node.sweep()
    node.work()
    assert [(exam.state, exam.failure) for exam in node.exams] == [("reported", "")]
    assert set(node.reasons().values()) == {"eligible"}


def test_what_another_worker_has_taken_meanwhile_stays_its_own(node: Node, other, decoded):
    decoded.append(lambda: other.execute("BEGIN EXCLUSIVE"))
    node.receive(mammogram(1))
    fails_until_it_is_free(node, other)
    node.clock.now += node.bench.settings.lease_seconds + 1
    taken = claim_instance(node.db, owner="analyse-1@test", now=node.clock.now, lease_seconds=300, max_attempts=2)
    assert taken is not None
    assert not do_next(node.bench)
    assert node.bench.owed == []
    assert (node.instance(1).analysis, node.instance(1).lease_owner) == ("leased", "analyse-1@test")
