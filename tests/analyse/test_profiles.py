"""Each destination's outbox holds exactly the kinds of its profile, whatever the other destinations get."""

from collections import Counter, defaultdict

import pytest

from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import Destination, Profile
from storage.schema import Exam, Outbox, Report, Result
from tests.analyse.nodes import Node
from tests.analyse.objects import FOR_PROCESSING, mammogram, other_class

pytestmark = pytest.mark.usefixtures("fast_decode")

EVERY_PROFILE = tuple(Destination(profile.value, profile) for profile in Profile)
REPORTS = Counter({"readable_report": 1, "measurement_report": 1})
VIEW_REPORTS = Counter({"readable_report": 1, "view_measurement_report": 2})
TWO_SEGS, TWO_STATES = Counter({"segmentation": 2}), Counter({"presentation_state": 2})
MARKS, PICTURE = Counter({"cad_report": 1}), Counter({"summary_image": 1})


def exam():
    """Two views of a breast, with a lesion each."""
    return mammogram(1, "R CC"), mammogram(2, "R MLO")


def parcels(node: Node) -> dict[str, Counter[str]]:
    """Destination -> how many results of each kind wait for it."""
    with node.db.read() as session:
        rows = session.query(Outbox.destination, Result.kind).join(Result, Result.id == Outbox.result_id).all()
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for destination, kind in rows:
        found[destination][kind] += 1
    return dict(found)


def test_an_outlined_exam_goes_to_each_destination_as_its_viewers_show_it(node: Node):
    node.put(destinations=EVERY_PROFILE)
    node.report(*exam())
    assert parcels(node) == {
        "generic": REPORTS + TWO_SEGS + TWO_STATES + PICTURE,
        "ohif": VIEW_REPORTS + TWO_SEGS,
        "mammo-workstation": REPORTS + TWO_STATES + MARKS + PICTURE,
        "archive": REPORTS + TWO_SEGS + TWO_STATES + MARKS,
    }


@pytest.mark.parametrize("profile", Profile)
def test_a_destination_alone_gets_what_it_gets_beside_others_and_nothing_else_is_built(node: Node, profile):
    node.put(destinations=(Destination("one", profile),))
    node.report(*exam())
    (sent,) = parcels(node).values()
    assert sent == Counter(result.kind for result in node.results)
    assert set(sent) == Destination("one", profile).kinds(outlined=True)


def test_nothing_found_goes_everywhere_with_the_picture_that_says_so(node: Node):
    node.put(destinations=EVERY_PROFILE)
    node.ensemble.probability = None
    node.report(*exam())
    said = Counter({"readable_report": 1}) + PICTURE
    assert parcels(node) == {
        "generic": said,
        "ohif": said,
        "mammo-workstation": said + MARKS,
        "archive": said + MARKS,
    }


def test_a_refusal_goes_everywhere_with_the_picture_that_says_so(node: Node):
    node.put(destinations=EVERY_PROFILE)
    node.report(other_class(1, FOR_PROCESSING, "MG"))
    assert all(sent >= Counter({"readable_report": 1}) + PICTURE for sent in parcels(node).values())
    assert len(parcels(node)) == len(Profile)


def test_the_switch_sends_comprehensive_sr_instead_and_to_that_destination_alone(node: Node):
    old = Destination("old", Profile.OHIF, comprehensive=True)
    node.put(destinations=(old, Destination("new", Profile.OHIF)))
    node.report(*exam())
    found = parcels(node)
    assert found["new"] == VIEW_REPORTS + TWO_SEGS
    assert found["old"] == Counter({"readable_report": 1, "measurement_report_comprehensive": 1}) + TWO_SEGS
    classes = {result.kind: result.sop_class_uid for result in node.results}
    assert classes[ResultKind.VIEW_MEASUREMENT_REPORT] == "1.2.840.10008.5.1.4.1.1.88.34"
    assert classes[ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE] == "1.2.840.10008.5.1.4.1.1.88.33"


def test_a_destination_that_is_added_later_gets_nothing_of_the_exams_before(node: Node):
    node.put(destinations=(Destination("first", Profile.OHIF),))
    node.report(*exam())
    node.put(destinations=(Destination("first", Profile.MAMMO_WORKSTATION), Destination("second")))
    node.receive(*exam())
    node.sweep()
    assert node.work() == 0
    assert parcels(node) == {"first": VIEW_REPORTS + TWO_SEGS}
    assert len(node.rows(Report)) == len(node.rows(Exam)) == 1
