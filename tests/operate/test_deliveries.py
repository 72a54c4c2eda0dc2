"""An administrator sees which destination does not answer, what is late, what was given up, and revives it."""

import io
import json
import shutil
import time

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import configuration_from
from dcis_node.errors import InputError
from dcis_node.operate import by_hand
from dcis_node.operate.metrics import metrics_text
from dcis_node.operate.status import node_status
from dcis_node.operate.tables import status_view
from storage import destinations, outbox
from storage.database import open_database
from storage.schema import Exam, Report
from tests.operate.signs_of_life import shown_alive
from tests.storage.outbox.rows import NOW, add_results, claim, make_report, row

CONFIG = """
[storage]
folder = "data"
[[destinations]]
name = "pacs"
host = "127.0.0.1"
port = 104
aet = "PACS"
"""
HOUR = 3600.0


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def configuration(config):
    values = {"destinations": [{"name": "pacs", "host": "127.0.0.1", "port": 104, "aet": "PACS"}]}
    return configuration_from(values, config)


@pytest.fixture
def db(configuration, empty_index):
    configuration.folder.mkdir()
    shutil.copy(empty_index, configuration.index_url.removeprefix("sqlite:///"))
    database = open_database(configuration.index_url)
    yield database
    database.close()


def opened(db, name="pacs", *, next_probe_at=NOW + 60):
    destinations.note_failures(db, name, count=3, now=NOW, error="nobody there")
    destinations.open_breaker(db, name, now=NOW, next_probe_at=next_probe_at)


def dead(db, number, *, patient_id=""):
    add_results(db, make_report(db, patient_id=patient_id), number)
    parcels = claim(db)
    for parcel in parcels:
        outbox.mark_dead(db, parcel, owner="a", now=NOW, status=0xA900, error="0xA900 no match")
    return parcels


def deliveries(configuration, db, *, now=NOW + 10):
    return node_status(configuration, db, now=now)["deliveries"]


def shown(configuration, db, *, now=NOW + 10):
    text = io.StringIO()
    Console(file=text, width=200).print(status_view(node_status(configuration, db, now=now)))
    return text.getvalue()


def test_a_node_whose_deliveries_are_well_says_nothing_of_them(configuration, db):
    add_results(db, make_report(db), 2)
    assert deliveries(configuration, db) == {"breakers": [], "stuck": {}, "dead": []}


def test_an_open_breaker_is_shown_with_the_reason_and_is_an_alarm_after_an_hour(configuration, db):
    opened(db)
    opened(db, "no-longer-configured")
    (breaker,) = deliveries(configuration, db, now=NOW + HOUR - 1)["breakers"]
    assert breaker == {
        "destination": "pacs", "state": "open", "failures": 3, "changed_at": NOW, "next_probe_at": NOW + 60,
        "reason": "nobody there", "alarm": False,
    }  # fmt: skip
    assert deliveries(configuration, db, now=NOW + HOUR)["breakers"][0]["alarm"]
    assert "pacs DOES NOT ANSWER since" in shown(configuration, db)
    assert "nobody there" in shown(configuration, db)


def test_failures_below_the_limit_are_shown_too_until_the_next_answer(configuration, db):
    destinations.note_failures(db, "pacs", count=1, now=NOW, error="nobody there")
    assert "pacs has failed 1 x: nobody there" in shown(configuration, db)
    destinations.note_answer(db, "pacs")
    assert deliveries(configuration, db)["breakers"] == []


def test_late_results_and_dead_letters_are_counted_and_shown(configuration, db):
    dead(db, 2)
    add_results(db, 1, 3)
    status = deliveries(configuration, db, now=NOW + HOUR + 1)
    assert status["stuck"] == {"pacs": {"results": 3, "since": NOW}}
    assert [(d["destination"], d["results"], d["reason"]) for d in status["dead"]] == [("pacs", 2, "0xA900 no match")]
    text = shown(configuration, db, now=NOW + HOUR + 1)
    assert "LATE: 3 results wait for pacs" in text
    assert "GIVEN UP: 2 results for pacs: 0xA900 no match; see `requeue`" in text


def test_the_metrics_have_a_figure_for_each_destination_also_where_all_is_well(configuration, db):
    text = metrics_text(configuration, db)
    assert 'dcis_node_breaker_open{destination="pacs"} 0.0' in text
    assert 'dcis_node_outbox_stuck{destination="pacs"} 0.0' in text
    opened(db)
    add_results(db, make_report(db), 3)
    text = metrics_text(configuration, db)
    assert 'dcis_node_breaker_open{destination="pacs"} 1.0' in text
    assert 'dcis_node_outbox_stuck{destination="pacs"} 3.0' in text


def requeue(config, *arguments):
    return CliRunner().invoke(app, ["requeue", "--config", str(config), *arguments])


def test_requeue_revives_dead_letters_and_hastens_what_waits_and_the_probe(config, db):
    parcels = dead(db, 2)
    add_results(db, 1, 1)
    (waiting,) = claim(db)
    outbox.mark_retry(db, waiting, owner="a", now=NOW, next_try_at=4e9, status=None, error="down")
    opened(db, next_probe_at=4e9)
    done = requeue(config, "--json")
    assert (done.exit_code, json.loads(done.output)) == (0, {"revived": 2, "hastened": 1})
    assert {row(db, parcel).state for parcel in (*parcels, waiting)} == {"due"}
    assert row(db, waiting).next_try_at < 4e9
    assert destinations.condition(db, "pacs").next_probe_at < 4e9


def test_requeue_of_an_exam_revives_its_dead_letters_alone(config, db):
    first, second = dead(db, 1)[0], dead(db, 1, patient_id="B")[0]
    done = requeue(config, "--exam", "2")
    assert done.exit_code == 0
    assert "1 dead results are due again, 0 that wait" in done.output
    assert (row(db, first).state, row(db, second).state) == ("dead", "due")


def test_requeue_of_a_destination_leaves_the_others(config, db):
    (parcel,) = dead(db, 1)
    add_results(db, 1, 1, destinations=("archive",))
    (other,) = claim(db, destination="archive")
    outbox.mark_dead(db, other, owner="a", now=NOW, status=None, error="x")
    assert requeue(config, "--destination", "archive").exit_code == 0
    assert (row(db, parcel).state, row(db, other).state) == ("dead", "due")


def test_requeue_says_when_there_is_nothing_or_no_such_thing(config, db):
    dead(db, 0)
    assert requeue(config).exit_code == 1
    for arguments in (["--destination", "nowhere"], ["--exam", "9.9"]):
        refused = requeue(config, *arguments)
        assert refused.exit_code != 0
        assert "no such" in str(refused.exception) or "no such" in refused.output


def dismiss(config, *arguments):
    return CliRunner().invoke(app, ["dismiss", "--config", str(config), *arguments])


def exit_code(config, db):
    """Give that of `status` of a node that runs."""
    shown_alive(db)
    return CliRunner().invoke(app, ["status", "--config", str(config)]).exit_code


def test_a_dismissed_dead_letter_is_no_alarm_and_is_still_told(config, configuration, db):
    dead(db, 2)
    assert exit_code(config, db) == 1
    done = dismiss(config, "1", "--json")
    assert (done.exit_code, json.loads(done.output)) == (0, {"exams": 0, "results": 2})
    assert exit_code(config, db) == 0
    assert deliveries(configuration, db)["dead"] == []
    assert "2 dismissed" in shown(configuration, db)
    assert 'dcis_node_outbox{destination="pacs",state="dismissed"} 2.0' in metrics_text(configuration, db)
    traced = CliRunner().invoke(app, ["trace", "--config", str(config), "1"])
    assert traced.output.count("to pacs: dismissed 20") == 2
    assert requeue(config, "--exam", "1").exit_code == 0
    assert outbox.counts(db) == {"pacs": {"due": 2}}


def test_all_that_goes_to_a_destination_that_is_gone_can_be_dismissed(config, configuration, db):
    add_results(db, make_report(db), 2, destinations=("pacs", "old"))
    assert "LATE: 2 results wait for old" in shown(configuration, db, now=NOW + 2 * HOUR)
    done = dismiss(config, "--destination", "old")
    assert done.exit_code == 0
    assert "dismissed: the failure of 0 exams, 2 results" in done.output
    assert outbox.counts(db) == {"pacs": {"due": 2}, "old": {"dismissed": 2}}
    assert "wait for old" not in shown(configuration, db, now=NOW + 2 * HOUR)


@pytest.mark.parametrize(("hours", "code"), [(0.9, 0), (1.1, 1)])
def test_status_ends_with_1_once_a_destination_has_not_answered_for_an_hour(config, db, hours, code):
    since = time.time() - hours * HOUR
    destinations.note_failures(db, "pacs", count=3, now=since, error="nobody there")
    destinations.open_breaker(db, "pacs", now=since, next_probe_at=since + 60)
    assert exit_code(config, db) == code


@pytest.mark.parametrize(("hours", "code"), [(0.9, 0), (1.1, 1)])
def test_status_ends_with_1_once_a_result_has_waited_for_an_hour(config, db, hours, code):
    report = make_report(db)
    with db.write() as session:
        session.get_one(Report, report).made_at = time.time() - hours * HOUR
    add_results(db, report, 1)
    assert exit_code(config, db) == code


def test_an_exam_and_a_destination_together_dismiss_its_results_there_alone(config, db):
    dead(db, 1)
    first, second = dead(db, 1, patient_id="B"), dead(db, 1, patient_id="C")
    with db.write() as session:
        session.get_one(Exam, 2).failure = "why"
    assert dismiss(config, "2", "--destination", "pacs").exit_code == 0
    assert [row(db, parcel).state for parcel in (*first, *second)] == ["dismissed", "dead"]
    assert exit_code(config, db) == 1
    assert dismiss(config, "2").exit_code == 0
    with db.read() as session:
        assert session.get_one(Exam, 2).dismissed_at > NOW


def test_dismiss_says_when_there_is_nothing_or_no_such_thing_or_nothing_was_named(config, configuration, db):
    add_results(db, make_report(db), 1)
    assert dismiss(config, "1").exit_code == 1
    assert dismiss(config).exit_code == 2
    with pytest.raises(InputError, match="not everything"):
        by_hand.dismiss(configuration, db, destination=None, exam=None, now=NOW)
    for arguments in (["--destination", "nowhere"], ["9.9"]):
        refused = dismiss(config, *arguments)
        assert refused.exit_code != 0
        assert "no such" in str(refused.exception) or "no such" in refused.output
