"""What the supervisor and the workers say of their health, as status, figures and exit code show it."""

import json

import pytest
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import Configuration, load_configuration
from dcis_node.operate.metrics import metrics_text
from dcis_node.operate.status import node_status
from dcis_node.operate.supervision import missing_roles
from dcis_node.operate.watch import status_line
from storage.database import open_database, upgrade
from storage.heartbeat import beats, record_beat
from tests.operate.signs_of_life import shown_alive
from tests.operate.test_status import drawn

CHILD = {"state": "running", "restarts": 0, "silent_ends": 0, "last_exit": "", "reason": "", "next_try_at": None}
LOOP = {**CHILD, "state": "crash_loop", "restarts": 7, "silent_ends": 1, "last_exit": "code 2", "reason": "no bundle"}
WELL = {"device": "cuda", "fault_since": None, "fault": ""}
ON_CPU = {"device": "cpu", "fault_since": 1_700_000_000.0, "fault": "cuda failed 3 times"}
MODEL = {"name": "m", "version": "1", "sha256": "b" * 64, "synthetic": True, "refused": ""}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("")
    upgrade(load_configuration(path).index_url)
    return path


@pytest.fixture
def db(config):
    database = open_database(load_configuration(config).index_url)
    yield database
    database.close()


def say(db, process, **detail):
    with db.write() as session:
        record_beat(session, process, pid=7, started_at=1.0, now=2e9, detail=json.dumps(detail))


def test_a_crash_loop_is_in_the_status_the_figures_and_the_line_for_systemd(db):
    say(db, "supervisor", children={"analyse-0": LOOP, "clock-0": CHILD}, restarts={"analyse-0": 7}, reload={})
    status = node_status(Configuration(), db, now=2e9)
    said = "analyse-0 is in a crash loop (7 restarts): code 2 no bundle"
    assert status["supervision"]["faults"] == [said]
    assert said in drawn(status)
    figures = metrics_text(Configuration(), db)
    assert 'dcis_node_process_crash_loop{process="analyse-0"} 1.0' in figures
    assert 'dcis_node_process_crash_loop{process="clock-0"} 0.0' in figures
    assert 'dcis_node_process_silent_ends_total{process="analyse-0"} 1.0' in figures
    line = status_line(status["supervision"]["children"], {})
    assert line == "1 of 2 processes run; analyse-0 crash_loop"
    assert status_line({}, {"state": "refused"}).endswith("; last reload refused")


def test_a_refused_reload_is_said_until_the_next_is_taken(db):
    say(db, "supervisor", reload={"state": "refused", "text": "needs a restart: receive.port", "count": 1})
    status = node_status(Configuration(), db, now=2e9)
    assert status["supervision"]["faults"] == ["the last reload was refused: needs a restart: receive.port"]
    assert "dcis_node_reload_refused 1.0" in metrics_text(Configuration(), db)
    say(db, "supervisor", reload={"state": "done", "text": "", "count": 2})
    assert node_status(Configuration(), db, now=2e9)["supervision"]["faults"] == []


def test_an_analysis_that_runs_on_the_cpu_for_a_broken_device_is_said(db):
    say(db, "analyse-0", **MODEL, **WELL)
    assert "analyse-0 computes on cuda" in drawn(node_status(Configuration(), db, now=2e9))
    assert 'dcis_node_device_faulty{process="analyse-0"} 0.0' in metrics_text(Configuration(), db)
    say(db, "analyse-0", **MODEL, **ON_CPU)
    (fault,) = node_status(Configuration(), db, now=2e9)["supervision"]["faults"]
    assert fault.startswith("analyse-0 computes on cpu, its device has failed since 2023-11-1")
    assert fault.endswith("cuda failed 3 times")
    assert 'dcis_node_device_faulty{process="analyse-0"} 1.0' in metrics_text(Configuration(), db)


def test_status_ends_with_1_as_long_as_there_is_a_fault(db, config, monkeypatch):
    monkeypatch.setattr("dcis_node.operate.status.is_alive", lambda *_: True)
    say(db, "supervisor", children={"clock-0": CHILD}, reload={})
    before = CliRunner().invoke(app, ["status", "--json", "--config", str(config)])
    say(db, "supervisor", children={"clock-0": LOOP}, reload={})
    after = CliRunner().invoke(app, ["status", "--json", "--config", str(config)])
    assert json.loads(before.stdout)["supervision"]["faults"] == []
    assert after.exit_code == 1
    assert "crash loop" in json.loads(after.stdout)["supervision"]["faults"][0]


def test_a_reload_without_a_node_says_so(db, config):
    done = CliRunner().invoke(app, ["reload", "--config", str(config)])
    assert (done.exit_code, "no node runs" in done.stdout) == (1, True)


def test_a_reload_of_a_file_that_cannot_be_used_is_refused_before_anybody_is_asked(config):
    config.write_text("[receive]\nprot = 1\n")
    done = CliRunner().invoke(app, ["reload", "--config", str(config)])
    assert done.exit_code == 1
    assert "receive.prot = 1: unknown key" in done.stdout


@pytest.mark.parametrize(
    ("processes", "missing"),
    [
        ((), ["no node runs: nothing is received, analysed or sent"]),
        (("supervisor",), []),
        (("supervisor", "receive-0"), []),
        (("receive-mammo-1", "analyse-0", "deliver-0", "clock-0"), []),
        (
            ("receive-0", "receive-1", "clock-0"),
            ["nobody runs `dcis-node run analyse`", "nobody runs `dcis-node run deliver`"],
        ),
    ],
)
def test_status_says_what_nobody_does_and_ends_with_1(config, db, processes, missing):
    if processes:
        shown_alive(db, *processes)
    status = CliRunner().invoke(app, ["status", "--json", "--config", str(config)])
    assert json.loads(status.output)["supervision"]["missing"] == missing
    assert status.exit_code == bool(missing)
    assert all(text in drawn(json.loads(status.output)) for text in missing)


def test_without_sources_nobody_need_retrieve(db):
    with db.read() as session:
        seen = beats(session)
    assert missing_roles(seen, retrieves=True) == missing_roles(seen, retrieves=False)
    shown_alive(db, "receive-0", "analyse-0", "deliver-0", "clock-0")
    with db.read() as session:
        seen = beats(session)
    assert missing_roles(seen, retrieves=False) == []
    assert missing_roles(seen, retrieves=True) == ["nobody runs `dcis-node run retrieve`"]


@pytest.mark.parametrize("name", ["rx", "receive", "receive-", "clock-0", "receive-a/b", "receive-a b"])
def test_a_process_whose_name_does_not_tell_its_role_is_refused(config, name):
    refused = CliRunner().invoke(app, ["run", "receive", "--name", name, "--config", str(config)])
    assert refused.exit_code == 2
    assert "begins with receive-" in refused.output
