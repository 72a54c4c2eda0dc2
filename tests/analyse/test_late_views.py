"""What comes behind an answer: late and corrected views, late marks, and what must change nothing."""

import hashlib

import pytest
from pydicom import Dataset

from dcis_node.results.profiles import Destination, Profile
from storage.schema import Outbox, Report, Result
from tests.analyse.foreign import measurement_report, plain_report
from tests.analyse.nodes import Node
from tests.analyse.objects import drawing, key_object, mammogram, reread

pytestmark = pytest.mark.usefixtures("fast_decode")

DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"
BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"


def pair() -> list[Dataset]:
    """R CC taken at 10:12 and R MLO at 10:14."""
    return [mammogram(1, AcquisitionTime="101200"), mammogram(2, "R MLO", AcquisitionTime="101400")]


def read(node: Node, result: Result) -> Dataset:
    return reread(node.files.read(result.sha256))


def of_version(node: Node, version: int) -> list[Result]:
    report = next(report for report in node.reports if report.version == version)
    return [result for result in node.results if result.report_id == report.id]


def texts(item: Dataset):
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "TEXT":
            yield str(child.TextValue).replace("\r\n", " ")
        yield from texts(child)


def readable_text(node: Node, version: int) -> str:
    """Give all sentences of the readable report of a version."""
    (report,) = (result for result in of_version(node, version) if result.kind == "readable_report")
    return "\n".join(texts(read(node, report)))


def predecessors(ds: Dataset) -> set[str]:
    return {
        str(item.ReferencedSOPInstanceUID)
        for study in ds.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def state(node: Node, table, *, only=()):
    """Give every row of a table as values; with `only`, the rows with these numbers."""
    rows = [{column.name: getattr(row, column.name) for column in table.__table__.columns} for row in node.rows(table)]
    return [row for row in rows if not only or row["id"] in only]


class TestOldVersions:
    def test_the_objects_and_rows_of_a_version_are_never_altered(self, node: Node):
        node.report(*pair())
        before = {table: state(node, table) for table in (Report, Result, Outbox)}
        stored = {result.sha256: node.files.read(result.sha256) for result in node.results}
        node.report(mammogram(3, "L CC"), mammogram(4, "L MLO"))
        node.report(mammogram(5, AcquisitionTime="110000"))
        assert [report.version for report in node.reports] == [1, 2, 3]
        for table, rows in before.items():
            assert state(node, table, only={row["id"] for row in rows}) == rows
        assert all(hashlib.sha256(node.files.read(sha256)).hexdigest() == sha256 for sha256 in stored)
        assert all(node.files.read(sha256) == data for sha256, data in stored.items())

    def test_no_uid_of_a_version_comes_back_in_the_next(self, node: Node):
        node.report(*pair())
        node.report(mammogram(3, "L CC"), mammogram(4, "L MLO"))
        uids = [
            {uid for r in of_version(node, version) for uid in (r.sop_instance_uid, r.series_instance_uid)}
            for version in (1, 2)
        ]
        assert uids[0]
        assert not uids[0] & uids[1]

    def test_each_report_names_the_one_of_its_kind_before(self, node: Node):
        node.put(destinations=(Destination("archive", Profile.ARCHIVE),))
        node.report(*pair())
        node.report(mammogram(3, "L CC"))
        node.report(mammogram(4, "L MLO"))
        for version in (2, 3):
            old = {r.kind: r.sop_instance_uid for r in of_version(node, version - 1)}
            reports = [r for r in of_version(node, version) if r.modality == "SR"]
            assert {r.kind for r in reports} == {"readable_report", "measurement_report", "cad_report"}
            assert all(predecessors(read(node, r)) == {old[r.kind]} for r in reports)

    def test_the_reports_of_views_name_the_readable_report_before_and_it_names_them(self, node: Node):
        node.report(*pair())
        node.report(mammogram(3, "L CC"))
        old = {r.sop_instance_uid: r.kind for r in of_version(node, 1) if r.modality == "SR"}
        readable, *of_views = [r for r in of_version(node, 2) if r.modality == "SR"]
        assert predecessors(read(node, readable)) == set(old)
        assert sorted(old.values()) == ["readable_report", "view_measurement_report", "view_measurement_report"]
        assert len(of_views) == 3
        for report in of_views:
            assert [old[uid] for uid in predecessors(read(node, report))] == ["readable_report"]

    def test_a_first_measurement_report_names_the_readable_report_before(self, node: Node):
        node.put(destinations=(Destination("pacs", Profile.GENERIC),))
        node.ensemble.probability = None
        node.report(*pair())
        node.ensemble.probability = 0.75
        node.report(mammogram(3, "L CC"))
        (old,) = (r for r in of_version(node, 1) if r.modality == "SR")
        (new,) = (r for r in of_version(node, 2) if r.kind == "measurement_report")
        assert predecessors(read(node, new)) == {old.sop_instance_uid}

    def test_where_nothing_is_outlined_any_more_the_readable_report_follows_the_outlines_too(self, node: Node):
        node.report(mammogram(1, AcquisitionTime="101200"))
        node.ensemble.probability = None
        node.report(mammogram(9, AcquisitionTime="104200"))
        old = {r.sop_instance_uid for r in of_version(node, 1) if r.modality == "SR"}
        (new,) = (r for r in of_version(node, 2) if r.modality == "SR")
        assert len(old) == 2
        assert predecessors(read(node, new)) == old
        assert "patient and right breast 75.0 % (at or above the threshold) before, no calcifications found now." in (
            readable_text(node, 2)
        )


class TestCorrectedView:
    def test_a_view_taken_again_replaces_the_earlier_one_and_is_said(self, node: Node):
        node.report(*pair())
        node.report(mammogram(9, AcquisitionTime="104200"))
        assert node.reasons(2) == {
            "1.2.3.1": "superseded_by_later_image", "1.2.3.2": "eligible", "1.2.3.9": "eligible",
        }  # fmt: skip
        said = readable_text(node, 2)
        assert "R CC was taken again at 10:42; the later image replaces the one taken at 10:12." in said
        assert "The R CC taken at 10:42 is used instead of this one, taken at 10:12." in said

    def test_an_earlier_exposure_that_arrives_behind_the_later_is_left_out_and_said(self, node: Node):
        node.report(*pair())
        node.report(mammogram(9, AcquisitionTime="095000"))
        assert node.reasons(2)["1.2.3.9"] == "superseded_by_later_image"
        assert node.reasons(2)["1.2.3.1"] == "eligible"
        said = readable_text(node, 2)
        assert (
            "Another R CC, taken at 09:50, arrived and is not used: the one taken at 10:12 is the later image." in said
        )
        assert "The figures are the same." in said
        assert "The R CC taken at 10:12 is used instead of this one, taken at 09:50." in said

    def test_an_exposure_processed_again_replaces_its_first_image(self, node: Node):
        moments = {"AcquisitionTime": "101200", "ContentDate": "20261123"}
        node.report(mammogram(1, ContentTime="101230", **moments), mammogram(2, "R MLO"))
        node.report(mammogram(9, ContentTime="105000", **moments))
        assert node.reasons(2)["1.2.3.1"] == "superseded_by_later_image"
        said = readable_text(node, 2)
        assert (
            "The exposure of R CC was processed again at 10:50; the newer image replaces the one made at 10:12." in said
        )

    def test_a_repeat_that_cannot_be_analysed_replaces_nothing(self, node: Node):
        node.report(*pair())
        node.report(mammogram(9, AcquisitionTime="104200", PixelData=bytes(2 * 256 * 192)))
        assert node.reasons(2)["1.2.3.1"] == "eligible"
        assert "R CC came later and is not used: it shows no breast." in readable_text(node, 2)

    def test_an_exam_whose_repeats_come_in_another_order_has_the_same_answer(self, node: Node, bundle, tmp_path):
        objects = [*pair(), mammogram(9, AcquisitionTime="104200"), mammogram(8, "R MLO", AcquisitionTime="095000")]
        node.report(*objects)
        (tmp_path / "other").mkdir()
        other = Node(tmp_path / "other", bundle)
        other.report(*objects[::-1])
        other.db.close()
        assert other.reasons() == node.reasons()
        assert [r.inputs_sha256 for r in other.reports] == [r.inputs_sha256 for r in node.reports]


def rejection(number: int, image: Dataset, *, title: str = "113001") -> Dataset:
    """Give a key object selection that names an image under a title of CID 7010."""
    ds, code, item, reference = key_object(number), Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = title, "DCM", "Title"
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    item.RelationshipType, item.ValueType, item.ReferencedSOPSequence = "CONTAINS", "IMAGE", [reference]
    ds.ValueType, ds.ConceptNameCodeSequence, ds.ContentSequence = "CONTAINER", [code], [item]
    return ds


class TestRejectedImage:
    def test_an_image_that_was_rejected_and_taken_again_is_replaced(self, node: Node):
        node.report(*pair(), rejection(20, pair()[0]), mammogram(9, AcquisitionTime="101000"))
        assert node.reasons()["1.2.3.1"] == "rejected_by_site"
        assert node.reasons()["1.2.3.9"] == "eligible"
        assert "Not used: R CC 2. Reason rejected_by_site: The site has rejected the image" in readable_text(node, 1)

    def test_a_late_rejection_gives_a_new_version_without_the_image(self, node: Node):
        node.report(*pair(), mammogram(9, AcquisitionTime="104200"))
        node.report(rejection(20, mammogram(9)))
        assert node.reasons(2)["1.2.3.9"] == "rejected_by_site"
        assert node.reasons(2)["1.2.3.1"] == "eligible"
        said = readable_text(node, 2)
        assert "R CC was used before and is not now: it was rejected by the site." in said
        assert "R CC is used again, as the later image is not." in said

    def test_an_exam_whose_every_image_is_rejected_says_so(self, node: Node):
        node.report(*pair(), *(rejection(20 + n, image) for n, image in enumerate(pair())))
        assert "Not analysed: because both images were rejected by the site." in readable_text(node, 1)


class TestNothingNew:
    """What changes nothing makes no report and no delivery."""

    @pytest.fixture
    def answered(self, node: Node) -> Node:
        node.report(*pair(), drawing(7, pair()[0], row=120.0, column=100.0))
        return node

    def nothing_new(self, node: Node, *objects) -> None:
        before = {table: state(node, table) for table in (Report, Result, Outbox)}
        calls = len(node.ensemble.calls)
        node.report(*objects)
        assert {table: state(node, table) for table in before} == before
        assert len(node.ensemble.calls) == calls
        assert node.exams[0].state == "reported"

    def test_the_same_objects_in_another_order(self, answered: Node):
        self.nothing_new(answered, drawing(7, pair()[0], row=120.0, column=100.0), *pair()[::-1])

    def test_our_own_results_that_come_back(self, answered: Node):
        self.nothing_new(answered, *(answered.files.read(result.sha256) for result in answered.results))

    @pytest.mark.parametrize("sop_class", [DOSE_REPORT, BASIC_TEXT, ENHANCED, "1.2.840.10008.5.1.4.1.1.88.33"])
    def test_a_late_report_without_a_mark(self, answered: Node, sop_class: str):
        self.nothing_new(answered, plain_report(20, pair()[0], sop_class=sop_class))

    def test_a_late_key_object(self, answered: Node):
        self.nothing_new(answered, key_object(21))

    @pytest.mark.parametrize(
        ("title", "image"), [("113000", pair()[0]), ("113039", pair()[0]), ("113001", mammogram(99))]
    )
    def test_a_late_selection_that_rejects_no_image_of_the_exam(self, answered: Node, title: str, image: Dataset):
        self.nothing_new(answered, rejection(21, image, title=title))

    @pytest.mark.parametrize("image", [mammogram(99), mammogram(98, "L CC")])
    def test_a_late_mark_on_an_image_that_is_not_here(self, answered: Node, image: Dataset):
        self.nothing_new(answered, measurement_report(22, image, row=120.0, column=100.0))

    def test_a_late_mark_outside_its_image(self, answered: Node):
        self.nothing_new(answered, drawing(23, pair()[1], row=300.0, column=100.0))

    def test_other_bytes_under_a_known_uid(self, answered: Node):
        self.nothing_new(answered, mammogram(1, AcquisitionTime="120000"))


class TestLateMark:
    def test_a_late_mark_alone_opens_the_exam_again(self, node: Node):
        node.report(*pair())
        node.report(measurement_report(7, pair()[1], row=120.0, column=100.0))
        assert [view["lesion"] for view in node.reports[1].views] == ["found", "given"]
        assert "A mark for R MLO came later and its analysis was centred on it." in readable_text(node, 2)

    def test_a_better_mark_that_comes_later_is_used_and_said(self, node: Node):
        node.report(*pair(), drawing(7, pair()[0], row=120.0, column=100.0))
        node.report(measurement_report(8, pair()[0], row=140.0, column=110.0))
        assert node.ensemble.calls[-1]["given"] == pytest.approx((140.0, 110.0))
        said = readable_text(node, 2)
        assert "The analysis of R CC is centred on another mark now." in said
        assert "one of 2 marks on this view" in said

    def test_a_worse_mark_that_comes_later_is_looked_at_and_changes_nothing(self, node: Node):
        node.report(*pair(), measurement_report(8, pair()[0], row=140.0, column=110.0))
        node.report(drawing(7, pair()[0], row=120.0, column=100.0))
        assert len(node.reports) == 1
