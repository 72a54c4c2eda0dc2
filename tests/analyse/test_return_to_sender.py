"""A destination with `senders` gets the exams of these alone; nobody loses an answer for want of a name."""

import pytest

from dcis_node.config import configuration_from
from dcis_node.operate.site import destinations_of
from dcis_node.results.profiles import Destination, Profile
from storage.exams import exam_senders
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram

pytestmark = pytest.mark.usefixtures("fast_decode")

ALL = Destination("all", Profile.OHIF)
EAST = Destination("east", Profile.OHIF, senders=frozenset({"EAST", "EAST2"}))
WEST = Destination("west", Profile.OHIF, senders=frozenset({"WEST"}))


def receivers(node: Node) -> set[str]:
    """The destinations for which something waits."""
    return {parcel.destination for parcel in node.parcels}


@pytest.mark.parametrize(
    ("sender", "expected"),
    [("EAST", {"all", "east"}), ("EAST2", {"all", "east"}), ("WEST", {"all", "west"}), ("SOUTH", {"all"})],
)
def test_an_exam_goes_back_to_who_has_sent_it_and_to_those_that_get_all(node: Node, sender, expected):
    node.put(destinations=(ALL, EAST, WEST))
    node.report(mammogram(1, "R CC"), mammogram(2, "R MLO"), sender=sender)
    assert receivers(node) == expected


def test_an_exam_of_two_senders_goes_to_both(node: Node):
    node.put(destinations=(EAST, WEST))
    node.receive(mammogram(1, "R CC"), sender="WEST")
    node.report(mammogram(2, "R MLO"), sender="EAST")
    assert receivers(node) == {"east", "west"}


def test_an_exam_whose_sender_nobody_knows_any_more_goes_everywhere(node: Node):
    node.put(destinations=(ALL, EAST, WEST))
    node.report(mammogram(1, "R CC"), mammogram(2, "R MLO"))
    assert receivers(node) == {"all", "east", "west"}
    with node.db.read() as session:
        assert exam_senders(session, node.exams[0].id) == frozenset()


def test_an_exam_that_goes_nowhere_is_answered_all_the_same(node: Node):
    node.put(destinations=(EAST,))
    node.report(mammogram(1, "R CC"), mammogram(2, "R MLO"), sender="SOUTH")
    assert receivers(node) == set()
    assert {result.kind for result in node.results} >= {"readable_report", "measurement_report"}


def test_the_settings_name_the_senders(tmp_path):
    values = {"destinations": [{"name": "a", "host": "h", "port": 1, "aet": "A", "senders": ["EAST", "WEST"]}]}
    (destination,) = destinations_of(configuration_from(values, tmp_path / "config.toml"))
    assert destination.senders == frozenset({"EAST", "WEST"})
    assert destination.serves(frozenset({"WEST", "X"}))
    assert not destination.serves(frozenset({"X"}))
