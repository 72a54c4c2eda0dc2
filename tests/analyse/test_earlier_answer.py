"""An answer put together again gives the very objects that were stored."""

import hashlib

import pytest

from dcis_node.analyse.earlier_answer import answer_again
from dcis_node.analyse.exam_answer import Decider
from dcis_node.errors import InputError
from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import Destination, Profile
from storage.schema import Base
from tests.analyse.nodes import EQUIPMENT, Node
from tests.analyse.objects import drawing, key_object, mammogram

pytestmark = pytest.mark.usefixtures("fast_decode")
EVERYWHERE = (Destination("a", Profile.ARCHIVE), Destination("m", Profile.MAMMO_WORKSTATION))


@pytest.fixture
def answered(node: Node) -> Node:
    """A node that sends to an archive and a workstation."""
    node.put(destinations=EVERYWHERE)
    return node


def decider(node: Node) -> Decider:
    return Decider(node.db, node.files, node.ensemble.bundle, EQUIPMENT, (), build_results)


def built_again(node: Node) -> dict[str, str]:
    """SOP Instance UID -> SHA-256 of the objects, built again."""
    kinds = {ResultKind(result.kind) for result in node.results}
    results = build_results(answer_again(decider(node), 1), kinds)
    return {result.sop_instance_uid: hashlib.sha256(result.data).hexdigest() for result in results}


def stored(node: Node) -> dict[str, str]:
    """The same of the last report in the index."""
    last = node.reports[-1].id
    return {result.sop_instance_uid: result.sha256 for result in node.results if result.report_id == last}


def everything(node: Node) -> list:
    """All rows of all tables, and the files."""
    with node.db.read() as session:
        rows = {name: session.execute(table.select()).all() for name, table in Base.metadata.tables.items()}
    return [rows, sorted(node.files.digests())]


def test_the_objects_are_equal_to_the_last_byte_whatever_the_time(answered: Node):
    answered.report(mammogram(1, "R CC"), mammogram(2, "L CC"), mammogram(3, "R MLO", Rows=None))
    answered.clock.now += 1e6
    assert built_again(answered) == stored(answered)


def test_a_later_version_names_the_one_before_again(answered: Node):
    answered.report(mammogram(1, "R CC"))
    answered.report(mammogram(2, "R MLO"))
    assert [report.version for report in answered.reports] == [1, 2]
    assert answer_again(decider(answered), 1).predecessor
    assert built_again(answered) == stored(answered)


def test_a_given_mark_is_used_again(answered: Node):
    image = mammogram(1, "R CC")
    answered.report(image, drawing(2, image))
    assert answer_again(decider(answered), 1).images[0].mark is not None
    assert built_again(answered) == stored(answered)


def test_the_last_resort_without_analysis_is_put_together_too(answered: Node):
    answered.ensemble.error = RuntimeError("the network is broken")
    answered.report(mammogram(1, "R CC"))
    assert answered.reasons() == {"1.2.3.1": "analysis_failed"}
    assert built_again(answered) == stored(answered)


def test_nothing_is_written(answered: Node):
    answered.report(mammogram(1, "R CC"), key_object(2))
    before = everything(answered)
    built_again(answered)
    assert everything(answered) == before


def test_an_image_that_came_since_is_a_change(answered: Node):
    answered.report(mammogram(1, "R CC"))
    answered.receive(mammogram(2, "R MLO"))
    with pytest.raises(InputError, match="has changed since its last report"):
        answer_again(decider(answered), 1)
    answered.work()
    with pytest.raises(InputError, match="has changed since its last report"):
        answer_again(decider(answered), 1)


def test_another_model_is_a_change(answered: Node, other_bundle):
    answered.report(mammogram(1, "R CC"))
    answered.ensemble.bundle = other_bundle
    with pytest.raises(InputError, match="has changed"):
        answer_again(decider(answered), 1)


def test_an_exam_without_a_report_is_named(answered: Node):
    answered.receive(mammogram(1, "R CC"))
    with pytest.raises(InputError, match="exam 1 has no report yet"):
        answer_again(decider(answered), 1)
