"""A late view of an exam whose images have left: what is kept of them still speaks."""

import pytest

from dcis_node.receive.header import header_bytes
from storage.leaving import Door, lose_images, lose_results
from storage.records import Records
from tests.analyse.foreign import measurement_report
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram, reread
from tests.analyse.test_late_views import pair, readable_text

pytestmark = pytest.mark.usefixtures("fast_decode")


def lose(node: Node, *steps) -> None:
    for step in steps:
        door = Door(node.db, node.files, header_bytes, now=node.clock.now, grace_seconds=-1e12)
        assert step(door, 1, lambda _: True) is not None


def test_a_late_view_gets_a_report_with_all_views(node: Node):
    node.report(*pair())
    lose(node, lose_images)
    assert not node.files.exists(node.instance(1).sha256)
    node.report(mammogram(3, "L CC"), mammogram(4, "L MLO"))
    assert node.reasons(2) == {f"1.2.3.{number}": "eligible" for number in (1, 2, 3, 4)}
    assert "L CC and L MLO came later and were added." in readable_text(node, 2)
    for result in node.results:
        reread(node.files.read(result.sha256))
    assert node.exams[0].state == "reported"


def test_it_says_the_same_of_them_as_it_would_with_the_images(node: Node, tmp_path):
    with_images, without = [], []
    for kept, said in ((True, with_images), (False, without)):
        folder = tmp_path / str(kept)
        folder.mkdir()
        one = Node(folder, node.ensemble.bundle)
        one.report(*pair())
        if not kept:
            lose(one, lose_images)
        one.report(mammogram(3, "L CC"))
        said += [(result.kind, result.sop_instance_uid, result.sha256) for result in one.results]
        one.db.close()
    assert without == with_images


def test_a_resend_of_images_that_have_left_makes_nothing_new(node: Node):
    node.report(*pair())
    lose(node, lose_images)
    node.report(*pair())
    assert [report.version for report in node.reports] == [1]
    assert node.instance(1).removed_at is None


def test_a_mark_that_comes_for_an_image_that_has_left_changes_nothing(node: Node):
    """It cannot be analysed again; the answer that stands is better than one without it."""
    images = pair()
    node.report(*images)
    lose(node, lose_images)
    node.report(measurement_report(9, images[0], row=100.0, column=100.0))
    assert [report.version for report in node.reports] == [1]
    assert node.exams[0].state == "reported"


def test_of_an_image_without_its_header_the_new_version_says_that_it_is_here_no_more(node: Node):
    node.report(*pair())
    node.files.path(node.instance(1).sha256).write_bytes(b"damaged")
    lose(node, lose_images)
    node.report(mammogram(3, "L CC"))
    assert node.reasons(2) == {"1.2.3.2": "eligible", "1.2.3.3": "eligible"}
    assert "R CC is here no more." in readable_text(node, 2)


def test_when_the_results_have_left_too_a_late_view_is_answered_alone(node: Node):
    node.report(*pair())
    lose(node, lose_images, lose_results)
    node.report(mammogram(3, "L CC"))
    assert node.reasons(2) == {"1.2.3.3": "eligible"}
    assert "R CC and R MLO are here no more." in readable_text(node, 2)


def test_when_nothing_is_left_to_say_the_last_report_stands(node: Node):
    images = pair()
    node.report(*images)
    lose(node, lose_images, lose_results)
    node.report(measurement_report(9, images[0], row=100.0, column=100.0))
    assert [report.version for report in node.reports] == [1]
    assert node.exams[0].state == "reported"


def test_the_same_images_answered_anew_get_uids_of_their_own(node: Node, tmp_path):
    """The bytes of the first answer are gone: its UIDs must not be given to others."""
    node.report(*pair())
    first = {result.sop_instance_uid for result in node.results}
    lose(node, lose_images, lose_results)
    (tmp_path / "later").mkdir()
    later = Node(tmp_path / "later", node.ensemble.bundle)
    for name in Records(node.files).names():
        Records(later.files).keep(Records(node.files).read(name))
    later.clock.now = node.clock.now + 1000
    later.report(*pair())
    assert len(later.results) == len(first)
    assert not first & {result.sop_instance_uid for result in later.results}
    later.db.close()


def test_a_header_is_the_beginning_of_the_file_up_to_its_pixels(node: Node, tmp_path):
    node.receive(mammogram(1))
    whole = node.files.path(node.instance(1).sha256).read_bytes()
    header = header_bytes(node.files.path(node.instance(1).sha256))
    assert whole.startswith(header)
    assert 300 < len(header) < len(whole)
    assert "PixelData" not in reread(header)
    assert reread(header).SOPInstanceUID == "1.2.3.1"
    assert header_bytes(tmp_path / "nowhere") == b""
