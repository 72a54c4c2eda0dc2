"""Of a patient nothing is found but in the images, the results and the patient key of the index.

One node meets a whole exam full of canaries, good and bad, with all logs on, a destination that fails, an audit
repository and a monitoring system; then everything that it has said and written is searched.
"""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.sending import send_folder
from storage.schema import Base
from tests.peers import StoragePeer, free_port, wait_until
from tests.syslog_server import syslog_server
from tests.whole.canaries import CANARY, found_in, texts_of, write_exam
from tests.whole.nodes import running_node

# The key by which images of one patient are kept together; nobody prints it.
ALLOWED = frozenset({"patient.patient_id", "patient.issuer"})
VIEWS = ("R_CC.dcm", "R_MLO.dcm")


@pytest.fixture(scope="module")
def said(tmp_path_factory, exam_folder):
    """Everything that a node has said and written about an exam full of canaries, by where it stands."""
    folder = tmp_path_factory.mktemp("canaries")
    study = write_exam([exam_folder / name for name in VIEWS], folder / "exam")
    metrics_port = free_port()
    said: dict[str, str] = {}
    with syslog_server() as repository, StoragePeer() as pacs:
        more = f'[audit]\nrepository = "tcp://127.0.0.1:{repository.port}"\n[metrics]\nport = {metrics_port}\n'
        with running_node(
            folder / "node",
            destinations=[("PACS", pacs.port), ("GONE", free_port())],
            node='log_level = "DEBUG"',
            more=more,
        ) as node:
            peer = PeerAddress(host="127.0.0.1", port=node.port, aet="DCIS_NODE", calling_aet="PACS")
            lines = send_folder(folder / "exam", peer)
            said["what the sender was told"] = "\n".join(str(line.text) for line in lines)
            said["which were stored"] = " ".join(sorted(line.path.stem for line in lines if line.stored))
            wait_until(lambda: _answered(node, study), f"the exam is answered (see {folder})", seconds=120)
            wait_until(lambda: "110104" in str(repository.messages), "the audit trail was sent")
            said |= dict(_outputs(node, study))
            said |= dict(_processes(node))
            said |= dict(_index(node.db))
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=20) as answer:
                said["metrics by HTTP"] = answer.read().decode()
        said["audit repository"] = b"\n".join(repository.messages).decode()
    said["log"] = node.log()
    said |= dict(texts_of(folder / "node" / "data"))
    return said


def _answered(node, study) -> bool:
    exams = node.exams()
    reported = [exam for exam in exams if study in exam["studies"] and exam["state"] == "reported"]
    return bool(reported) and bool({"sent", "proven"} & set(reported[0]["deliveries"]))


def _outputs(node, study) -> Iterator[tuple[str, str]]:
    for command in (("status",), ("exams",), ("trace", study), ("check",), ("sweep",)):
        for form in ((), ("--json",)):
            ended = node.command(*command, *form)
            yield f"dcis-node {command[0]} {' '.join(form)}".strip(), ended.stdout + ended.stderr
    ended = node.command("metrics")
    yield "dcis-node metrics", ended.stdout + ended.stderr


def _processes(node) -> Iterator[tuple[str, str]]:
    for name in ("receive-0", "receive-1", "analyse-0", "deliver-0", "clock-0"):
        folder = Path("/proc") / str(node.pid_of(name))
        yield f"command line of {name}", (folder / "cmdline").read_text()
        yield f"environment of {name}", (folder / "environ").read_text(errors="replace")


def _index(db) -> Iterator[tuple[str, str]]:
    with db.read() as session:
        for table in inspect(session.connection()).get_table_names():
            for column in (c["name"] for c in inspect(session.connection()).get_columns(table)):
                statement = text(f'SELECT CAST("{column}" AS TEXT) FROM "{table}"')  # noqa: S608 -- the schema's names
                yield f"{table}.{column}", "\n".join(str(row[0]) for row in session.execute(statement))


def test_the_search_reaches_what_it_is_about(said):
    """Each place holds what it should, and the canaries went into the node: else a clean search means nothing."""
    assert set(said["which were stored"].split()) >= {"cannot-be-decoded", "good-0", "good-1", "marks"}
    assert not {"bad-no-study", "bad-other-uid"} & set(said["which were stored"].split())
    assert CANARY in said["patient.patient_id"]
    assert CANARY in said["patient.issuer"]
    assert {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns} <= set(
        said
    )
    assert "event=stored" in said["log"]
    assert "event=refused" in said["log"]
    assert "DEBUG" in said["log"]
    assert "action=retry" in said["log"]
    assert "undecodable" in said["instance.reason"] or "decode" in said["instance.reason"]
    assert "110104" in said["audit repository"]
    assert any(name.endswith(".audit") for name in said)
    assert "dcis_node_instances" in said["metrics by HTTP"]
    assert "dcis_node_instances" in said["dcis-node metrics"]
    for command in ("status", "exams", "trace", "check", "sweep"):
        assert said[f"dcis-node {command}"].strip()
        assert said[f"dcis-node {command} --json"].lstrip().startswith("{")
    assert "clock-0" in said["command line of clock-0"]


def test_nothing_of_the_patient_is_found(said):
    hits = {place: found_in(words) for place, words in said.items() if place not in ALLOWED}
    assert {place: found for place, found in hits.items() if found} == {}


@pytest.mark.parametrize("words", [f"x {CANARY.lower()} y", "date 19010203", "1901-02-03", "WlFDTlJZLUlE", "n=918273"])
def test_the_search_finds_what_is_planted(words):
    assert found_in(words)


def test_the_search_finds_a_file_that_is_planted(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"{CANARY}.txt").write_text(f"nothing {CANARY} nothing")
    assert len([place for place, words in texts_of(tmp_path) if found_in(words)]) == 2
