"""A retriever that is killed at any line: its successor goes on, and everything comes once."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers import wait_until
from tests.retrieve.helpers import exam
from tests.retrieve.peer import QueryPeer
from tests.retrieve.retriever_process import MOMENTS

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def retriever_process(node, port, *moment):
    arguments = [sys.executable, "-m", "tests.retrieve.retriever_process", node.db.url, port, *moment]
    process = subprocess.Popen([str(a) for a in arguments], cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_retriever_killed_at_any_moment_is_followed_by_one_that_goes_on(listening, moment):
    listening.clock.now = time.time()
    views = exam(SeriesInstanceUID="1.2.5.77")
    listening.ask(listening.receive(*views[:2]), missing="R MLO, L MLO")
    with QueryPeer(objects=views, node_port=listening.port) as peer:
        with retriever_process(listening, peer.port, moment) as process:
            assert process.wait(60) == -signal.SIGKILL
        assert listening.asked()[0].state == "leased"
        with retriever_process(listening, peer.port) as process:
            wait_until(lambda: listening.asked()[0].state == "done", "it is done", seconds=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    (asked,) = listening.asked()
    assert (asked.found, asked.moved, asked.failed, asked.text) == (2, 2, 0, "")
    assert listening.objects() == {str(ds.SOPInstanceUID) for ds in views}
    assert len(peer.moves) == 1
