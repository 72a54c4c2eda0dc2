from dataclasses import replace

import pytest

from dcis_node.analyse import exam_marks
from dcis_node.analyse.exam_marks import marks_on, read_exam_marks
from dcis_node.mammogram.facts import Mark
from storage.exams import exam_instances
from tests.analyse.nodes import Node
from tests.analyse.objects import drawing, mammogram, reread
from tests.analyse.values import header

SEG = Mark("1.2.3.1", 2.0, 1.0, "seg", "1.2.9.1")
HEADER = header("R CC", uid="1.2.3.1")


def test_a_readers_outline_goes_before_any_other_mark():
    others = [replace(SEG, kind=kind, source_uid="1.1") for kind in ("gsps", "cad_sr", "sr_scoord")]
    assert marks_on([*others, SEG], HEADER)[0] == SEG
    assert [mark.kind for mark in marks_on(others, HEADER)] == ["sr_scoord", "cad_sr", "gsps"]


def test_the_choice_does_not_depend_on_the_order_of_arrival():
    marks = [SEG, replace(SEG, row=1.0), replace(SEG, source_uid="1.2.9.0")]
    assert marks_on(marks, HEADER) == marks_on(marks[::-1], HEADER) == (marks[2], marks[1], marks[0])


@pytest.mark.parametrize(
    "mark",
    [
        replace(SEG, image_uid="1.2.3.2"),
        replace(SEG, row=-1.0),
        replace(SEG, row=6.0),
        replace(SEG, column=4.0),
        replace(SEG, kind="dream"),
    ],
)
def test_a_mark_elsewhere_is_no_mark_of_this_view(mark: Mark):
    assert marks_on([mark], HEADER) == ()


def carriers(node: Node):
    with node.db.read() as session:
        return exam_instances(session, 1)


def test_a_drawing_beside_the_images_is_read(node: Node):
    node.receive(mammogram(1), drawing(7, mammogram(1), row=120.0, column=100.0))
    (mark,) = read_exam_marks(carriers(node), node.files)
    assert (mark.image_uid, mark.kind, mark.source_uid) == ("1.2.3.1", "gsps", "1.2.3.7")
    assert mark.row == pytest.approx(120.0, abs=1.0)
    assert mark.column == pytest.approx(100.0, abs=1.0)


def test_our_own_results_are_no_marks(node: Node):
    node.receive(mammogram(1), drawing(7, mammogram(1)))
    own = [replace(carrier, reason="own_result") for carrier in carriers(node)]
    assert read_exam_marks(own, node.files) == ()


def test_an_object_that_cannot_be_read_gives_no_marks_and_no_values_to_the_log(node: Node, monkeypatch, caplog):
    def broken(_ds):
        raise RecursionError("Canary^Yellow")

    monkeypatch.setattr(exam_marks, "read_marks", broken)
    node.receive(mammogram(1), drawing(7, mammogram(1)))
    assert read_exam_marks(carriers(node), node.files) == ()
    assert "event=marks_unreadable instance=2 error=RecursionError" in caplog.text
    assert "Canary" not in caplog.text


def test_an_object_of_unreasonable_size_is_not_read(node: Node, monkeypatch):
    monkeypatch.setattr(exam_marks, "LARGEST_BYTES", 100)
    node.receive(mammogram(1), drawing(7, mammogram(1)))
    assert read_exam_marks(carriers(node), node.files) == ()


@pytest.mark.usefixtures("fast_decode")
class TestGivenLesion:
    def test_a_mark_centres_the_crop_and_is_named_in_the_answer(self, node: Node):
        node.report(drawing(7, mammogram(1), row=120.0, column=100.0), mammogram(1), mammogram(2, "R MLO"))
        given = [call["given"] for call in node.ensemble.calls]
        assert given[0] == pytest.approx((120.0, 100.0), abs=1.0)
        assert given[1] is None
        assert [view["lesion"] for view in node.reports[0].views] == ["given", "found"]
        values = [
            str(element.value)
            for result in node.results
            if result.modality == "SR"
            for element in reread(node.files.read(result.sha256)).iterall()
        ]
        assert "1.2.3.7" in values

    def test_a_mark_that_comes_later_gives_a_new_version(self, node: Node):
        node.report(mammogram(1), mammogram(2, "R MLO"))
        node.report(drawing(7, mammogram(1)))
        assert [report.version for report in node.reports] == [1, 2]
        assert len(node.ensemble.calls) == 3
        assert [view["lesion"] for view in node.reports[1].views] == ["given", "found"]

    def test_a_mark_of_another_image_changes_nothing(self, node: Node):
        node.report(mammogram(1), mammogram(2, "R MLO"))
        node.report(drawing(7, mammogram(99)))
        assert len(node.reports) == 1
        assert node.exams[0].state == "reported"
