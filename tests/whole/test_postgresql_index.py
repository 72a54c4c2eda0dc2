"""The roles as services of their own, as on several hosts: what they share is an index in PostgreSQL and the files."""

import contextlib
import signal
import subprocess
import sys

import pytest

from dcis_node.config import load_configuration
from storage.files import FileStore
from tests.peers import StoragePeer, free_port, listens, wait_until
from tests.whole.nodes import CONFIG, DESTINATION, STORAGE, RunningNode, json_of, open_when_made
from tests.whole.test_main_job import results_of, send, study_of

ROLES = ("receive", "analyse", "deliver", "clock")


@contextlib.contextmanager
def role(name, config):
    """Run one role as its unit does; it ends well by SIGTERM, unless it was killed before."""
    with (config.parent / f"{name}.log").open("ab") as log:
        command = [sys.executable, "-m", "dcis_node", "run", name, "--config", str(config)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(90)
    assert code in {0, -signal.SIGKILL}, (config.parent / f"{name}.log").read_text()


@pytest.mark.peer
@pytest.mark.timeout(480)
def test_single_roles_share_an_index_in_postgresql_and_none_of_them_is_missed_for_long(
    tmp_path, exam_folder, postgresql
):
    port = free_port()
    config = tmp_path / "config.toml"
    with postgresql.database() as url, StoragePeer() as pacs, contextlib.ExitStack() as running:
        text = CONFIG.format(port=port, settle=0.5, quiet=3.0, receivers=1, analyse="", receive="", node="")
        text += DESTINATION.format(number=0, port=pacs.port, aet="PACS") + STORAGE.format(url=url)
        config.write_text(text)
        processes = {name: running.enter_context(role(name, config)) for name in ROLES}
        wait_until(lambda: listens(port), "the receiver listens", seconds=60)
        configuration = load_configuration(config)
        db = open_when_made(configuration.index_url)
        running.callback(db.close)
        node = RunningNode(port, config, tmp_path, db, FileStore(configuration.folder / "store"), processes["receive"])
        send(exam_folder, node)
        # In the middle of the work the worker dies; systemd starts another one.
        wait_until(lambda: "event=view_analysed" in (tmp_path / "analyse.log").read_text(), "it works", seconds=90)
        processes["analyse"].kill()
        processes["analyse"].wait()
        running.enter_context(role("analyse", config))
        node.wait_for_answer(study_of(exam_folder))
        exam = node.trace(study_of(exam_folder))
        status, check, backup = node.command("status", "--json"), node.command("check"), node.command("backup")
    made = {result["sop_instance_uid"] for result in results_of(exam)}
    assert made
    assert sorted(received.sop_instance_uid for received in pacs.received) == sorted(made)
    told = json_of(status)
    assert told["queues"]["views"] == {"analysed": 4}
    assert (told["index"]["kind"], told["supervision"]["missing"]) == ("PostgreSQL", [])
    assert "ok index: opens, schema fits (PostgreSQL)" in " ".join(check.stdout.split())
    assert "pg_dump" in backup.stderr
