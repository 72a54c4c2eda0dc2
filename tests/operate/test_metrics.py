"""The figures say what the index says, cheaply, and a stranger on their port stops nothing."""

import json
import socket
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dcis_node.config import MetricsSettings, configuration_from
from dcis_node.errors import StorageError
from dcis_node.operate import metrics_server
from dcis_node.operate.audit.journal import Journal
from dcis_node.operate.metrics import NodeCollector, metrics_text, registry_of
from dcis_node.operate.metrics_server import serving_metrics
from storage.database import open_database, upgrade
from storage.heartbeat import record_beat
from storage.maintenance import WorkDone, record_work
from storage.schema import Exam, Instance, Outbox, Patient, Report, Result, Study
from tests.peers import free_port

MODEL = {"name": "m", "version": "1", "sha256": "b" * 64, "synthetic": True, "refused": ""}


@pytest.fixture
def configuration(tmp_path):
    values = {"storage": {"folder": str(tmp_path)}, "audit": {"repository": "tcp://127.0.0.1:1"}}
    return configuration_from(values, tmp_path / "config.toml")


@pytest.fixture
def db(configuration):
    upgrade(configuration.index_url)
    opened = open_database(configuration.index_url)
    yield opened
    opened.close()


@pytest.fixture
def filled(db, configuration):
    """An index with one of each thing that is counted."""
    with db.write() as session:
        session.add(Patient(id=1, patient_id="SECRET", issuer=""))
        session.flush()
        session.add(Exam(id=1, patient_id=1, study_date="20240101", state="open", opened_at=1.0, last_image_at=1.0))
        session.flush()
        session.add(Study(id=1, study_instance_uid="1.2", exam_id=1))
        session.flush()
        session.add(
            Instance(
                sop_instance_uid="1.3", sop_class_uid="1.4", series_instance_uid="1.5", study_id=1, exam_id=1,
                sha256="0" * 64, size_bytes=1, transfer_syntax_uid="1.6", received_at=1.0, facts={}, eligible=True,
                reason="", analysis="pending",
            )
        )  # fmt: skip
        report = Report(exam_id=1, version=1, inputs_sha256="", bundle_sha256="", decision={}, views=[], made_at=1.0)
        session.add(report)
        session.flush()
        result = Result(
            report_id=report.id, kind="k", sop_instance_uid="1.7", sop_class_uid="1.4", study_instance_uid="1.2",
            series_instance_uid="1.8", transfer_syntax_uid="1.6", modality="SR", sha256="0" * 64,
        )  # fmt: skip
        session.add(result)
        session.flush()
        session.add(Outbox(result_id=result.id, destination="pacs", state="dead", next_try_at=0.0))
        now = time.time()
        details = {
            "supervisor": {"restarts": {"receive-0": 3}},
            "receive-0": {"peers_refused": {"called_aet": 7}},
            "analyse-0": {**MODEL, "refused": "a bundle"},
            "clock-0": {"jobs": {"completeness": {"ok": False, "faults": {"error": 2}}}},
        }
        for process, detail in details.items():
            record_beat(session, process, pid=1, started_at=now, now=now, detail=json.dumps(detail))
        record_beat(session, "deliver-0", pid=1, started_at=now, now=now - 1000)
        record_work(session, WorkDone("backup", 5.0, 6.0, ok=False, detail={}))
    journal = Journal(configuration.folder / "audit", "receive-0")
    journal.append(b"<85>1 one")
    journal.close()
    return db


def values(text):
    families = text_string_to_metric_families(text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_each_figure_says_what_the_index_says(configuration, filled):
    found = values(metrics_text(configuration, filled))
    expected = {
        ("dcis_node_readable",): 1,
        ("dcis_node_instances",): 1,
        ("dcis_node_conflicts",): 0,
        ("dcis_node_views", "pending"): 1,
        ("dcis_node_views", "failed"): 0,
        ("dcis_node_exams", "open"): 1,
        ("dcis_node_exams", "failed"): 0,
        ("dcis_node_outbox", "dead", "pacs"): 1,
        ("dcis_node_outbox", "due", "pacs"): 0,
        ("dcis_node_outbox", "pacs", "proven"): 0,
        ("dcis_node_proof_unproven", "pacs"): 0,
        ("dcis_node_proof_open_requests", "pacs"): 0,
        ("dcis_node_process_alive", "receive-0"): 1,
        ("dcis_node_process_alive", "deliver-0"): 0,
        ("dcis_node_process_restarts_total", "receive-0"): 3,
        ("dcis_node_job_faults_total", "completeness", "error"): 2,
        ("dcis_node_refusals_total", "called_aet", "receive-0"): 7,
        ("dcis_node_maintenance_ok", "backup"): 0,
        ("dcis_node_maintenance_finished_timestamp_seconds", "backup"): 6,
        ("dcis_node_disk_reserve_bytes",): configuration.storage.reserve_bytes,
        ("dcis_node_audit_waiting",): 1,
        ("dcis_node_audit_failing",): 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["dcis_node_disk_free_bytes",] > 0
    assert "SECRET" not in metrics_text(configuration, filled)


def test_without_an_index_the_scrape_says_so(caplog):
    def refuse():
        raise StorageError("cannot be read")

    (only,) = NodeCollector(refuse).collect()
    assert (only.name, only.samples[0].value) == ("dcis_node_readable", 0.0)
    assert "event=metrics_unreadable error=StorageError" in caplog.text


def fetch(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return answer.read().decode()


@pytest.fixture
def port(configuration, filled):
    with serving_metrics(MetricsSettings(port=free_port()), registry_of(configuration, filled)) as bound:
        yield bound


def test_a_scrape_by_http_gives_the_same_figures(configuration, filled, port):
    served, printed = values(fetch(port)), values(metrics_text(configuration, filled))
    assert served.keys() == printed.keys()
    assert served["dcis_node_instances",] == 1


def test_silent_and_broken_clients_do_not_stop_the_figures(monkeypatch, port):
    monkeypatch.setattr(metrics_server._Handler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as broken:
        broken.sendall(b"\xff\x00 nonsense\r\n\r\n")
        assert "dcis_node_readable 1.0" in fetch(port)


def test_without_a_port_nothing_is_served(configuration, filled):
    with serving_metrics(MetricsSettings(), registry_of(configuration, filled)) as bound:
        assert bound == 0


def test_a_port_that_is_taken_is_an_error_in_the_log_and_no_more(configuration, filled, port, caplog):
    with serving_metrics(MetricsSettings(port=port), registry_of(configuration, filled)) as bound:
        assert bound == 0
    assert "event=metrics_not_served" in caplog.text
