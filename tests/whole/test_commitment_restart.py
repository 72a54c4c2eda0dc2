"""Courier and receiver killed between the request for commitment and its report: `benchmarks.commitment`, shortened."""

from benchmarks.commitment import ROWS, measure

CHOSEN = (
    "reports on the same association",
    "reports on another association",
    "has another object under one UID",
    "reports twice, the second time otherwise",
    "reports on an unknown one, then on ours",
    "reports without agreeing on the role",
    "offers queries only",
    "offers neither",
)


def test_every_archive_is_understood_after_a_restart_too(tmp_path):
    rows = [row for row in ROWS if row.behaviour in CHOSEN]
    assert len(rows) == len(CHOSEN)
    table = measure(tmp_path / "node", rows, restart=True, seconds=180)
    assert [line for line in table if not line["right"]] == []


def test_a_wrong_state_is_seen(tmp_path):
    (row,) = [row for row in ROWS if row.behaviour == "offers neither"]
    row = type(row)(row.behaviour, {"proven": 3}, offers=())
    (line,) = measure(tmp_path / "node", [row], restart=False, seconds=5)
    assert not line["right"]
