"""What is late is said in the log: once, by name and number, and again only after it was well."""

from dcis_node.deliver.watch import Watch
from storage import destinations, outbox
from storage.destinations import close_breaker, note_failures, open_breaker
from tests.deliver.helpers import NOW


def lines(caplog, event):
    return [record.getMessage() for record in caplog.records if f"event={event} " in record.getMessage()]


def test_results_that_wait_for_an_hour_are_told_once_and_again_after_they_had_left(node, result_file, caplog):
    for _ in range(2):
        node.add(result_file())
    watch = Watch(node.db, ["pacs"])
    watch.look(now=NOW + 3599)
    assert lines(caplog, "results_stuck") == []
    watch.look(now=NOW + 3700)
    watch.look(now=NOW + 3800)
    assert lines(caplog, "results_stuck") == ["event=results_stuck destination=pacs results=2 oldest_seconds=3700"]
    for parcel in outbox.claim(node.db, owner="a", now=NOW + 3900, lease_seconds=60):
        outbox.mark_sent(node.db, parcel, now=NOW + 3900, status=0)
    watch.look(now=NOW + 4000)
    node.add(result_file())
    watch.look(now=NOW + 9000)
    assert len(lines(caplog, "results_stuck")) == 2


def test_a_breaker_that_is_open_for_an_hour_is_told_once(node, caplog):
    for name in ("pacs", "gone"):
        note_failures(node.db, name, count=3, now=NOW, error="nobody there")
        open_breaker(node.db, name, now=NOW, next_probe_at=NOW)
    watch = Watch(node.db, ["pacs"])
    watch.look(now=NOW + 3599)
    assert lines(caplog, "breaker_open_long") == []
    watch.look(now=NOW + 3600)
    watch.look(now=NOW + 3660)
    told = ["event=breaker_open_long destination=pacs open_seconds=3600 text='nobody there'"]
    assert lines(caplog, "breaker_open_long") == told
    assert close_breaker(node.db, "pacs", now=NOW + 3700) == 0
    watch.look(now=NOW + 9000)
    assert lines(caplog, "breaker_open_long") == told
    assert not destinations.condition(node.db, "pacs").is_open
