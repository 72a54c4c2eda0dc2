"""What a process tells is on disk before it goes on, and a disk that takes nothing stops nobody."""

import errno
import logging

import pytest

from dcis_node.config import configuration_from
from dcis_node.operate.audit import trail as module
from dcis_node.operate.audit.folder import audit_folder
from dcis_node.operate.audit.journal import Journal, journals, whole_lines
from dcis_node.operate.audit.syslog import BOM
from dcis_node.operate.audit.trail import Trail, audit_trail
from tests.operate.audit.events_told import EVENTS, RECEIVED, REFUSED, SOURCE
from tests.operate.audit.schema import details, faults, parsed


class Disk(Journal):
    """A journal whose disk can be full, and that counts what it put on it."""

    def __init__(self, folder):
        super().__init__(folder, "receive-0")
        self.is_full = False
        self.syncs = 0

    def append(self, line):
        if self.is_full:
            raise OSError(errno.ENOSPC, "full")
        super().append(line)

    def sync(self):
        self.syncs += 1
        super().sync()


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def trail(disk, now):
    made = Trail(disk, SOURCE, clock=lambda: now[0], monotonic=lambda: now[0])
    yield made
    made.close()


def told(folder):
    xmls = [line.decode().partition(BOM)[2] for path in journals(folder) for line, _ in whole_lines(path, 0)]
    assert [fault for xml in xmls for fault in faults(xml)] == []
    return [parsed(xml) for xml in xmls]


def numbers(folder):
    return [message.find("EventIdentification/EventID").get("csd-code") for message in told(folder)]


def descriptions(folder):
    return [message.findtext("EventIdentification/EventOutcomeDescription") or "" for message in told(folder)]


def test_all_events_are_told_in_order(trail, tmp_path):
    for event in EVENTS.values():
        trail.tell(event)
    trail.close()
    assert len(told(tmp_path)) >= len(EVENTS)


def test_a_received_study_is_on_disk_before_tell_returns(trail, disk, tmp_path):
    trail.tell(RECEIVED)
    assert disk.syncs == 1
    assert numbers(tmp_path) == ["110104"]


def test_an_alert_is_written_at_once_and_on_disk_a_round_later(trail, disk, tmp_path):
    trail.tell(REFUSED)
    assert (disk.syncs, numbers(tmp_path)) == (0, ["110113"])
    trail.round()
    assert disk.syncs == 1
    trail.round()
    assert disk.syncs == 1


def test_a_flood_of_refusals_is_two_messages_a_minute(trail, now, tmp_path):
    for _ in range(1000):
        trail.tell(REFUSED)
    now[0] += 60
    trail.round()
    assert descriptions(tmp_path) == [REFUSED.text, f"999 more in 60 s, the last: {REFUSED.text}"]


def test_the_end_tells_what_was_counted(trail, tmp_path):
    trail.tell(REFUSED)
    trail.tell(REFUSED)
    trail.close()
    assert len(told(tmp_path)) == 2


def test_while_the_disk_is_full_messages_wait_in_memory_and_the_gap_is_told(trail, disk, tmp_path, caplog):
    disk.is_full = True
    for _ in range(3):
        trail.tell(RECEIVED)
    trail.round()
    assert numbers(tmp_path) == []
    disk.is_full = False
    trail.round()
    assert numbers(tmp_path) == ["110104"] * 3 + ["110113"]
    assert "ENOSPC; lost: 0" in descriptions(tmp_path)[-1]
    assert [record.message.split()[0] for record in caplog.records] == [
        "event=audit_not_written",
        "event=audit_written_again",
    ]


def test_what_does_not_fit_into_memory_is_counted(trail, disk, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    disk.is_full = True
    for _ in range(5):
        trail.tell(RECEIVED)
    disk.is_full = False
    trail.tell(RECEIVED)
    assert "lost: 4" in descriptions(tmp_path)[-1]
    assert told(tmp_path)[-1].find("EventIdentification").get("EventOutcomeIndicator") == "8"
    assert "Alert Description" in details(told(tmp_path)[-1])


def test_what_the_disk_never_took_is_said_in_the_log(trail, disk, caplog):
    disk.is_full = True
    trail.tell(RECEIVED)
    trail.close()
    assert "event=audit_lost messages=1" in caplog.text


def test_a_defect_of_the_trail_does_not_reach_those_who_tell(trail, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("secret")

    monkeypatch.setattr(module, "messages_of", broken)
    trail.tell(RECEIVED)
    assert "event=audit_failed told=StudyReceived error=RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_node_tells_its_start_and_its_end_and_its_processes_do_not(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(module, "ROUND_SECONDS", 0.01)
    caplog.set_level(logging.ERROR)
    configuration = configuration_from({"node": {"institution": "Hospital"}}, tmp_path / "config.toml")
    with audit_trail(configuration, "supervisor", is_node=True):
        pass
    with audit_trail(configuration, "receive-0", is_node=False) as trail:
        trail.tell(REFUSED)
    types = [m.find("EventIdentification/EventTypeCode").get("csd-code") for m in told(audit_folder(configuration))]
    assert types == ["110120", "110121", "110126"]
