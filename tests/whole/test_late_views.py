"""Views, corrections and marks that come behind an answer, sent to a running node one after another."""

import hashlib

from pydicom import dcmread

from storage.overview import trace
from tests.analyse.foreign import measurement_report, plain_report
from tests.peers import StoragePeer, wait_until
from tests.whole.marked import references, result_of, send, taken_at, texts, without_pixels, write
from tests.whole.nodes import RunningNode, answers, running_node

DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"


def uids_of(report: dict) -> set[str]:
    return {result["sop_instance_uid"] for result in report["results"]}


def digests(node: RunningNode, report: dict) -> dict[str, str]:
    """Give the digest of each result's bytes as they lie in the store now."""
    return {
        result["sop_instance_uid"]: hashlib.sha256(node.files.read(result["sha256"])).hexdigest()
        for result in report["results"]
    }


def settled(node: RunningNode, study: str, *, instances: int, duplicates: int) -> dict:
    """Wait until so many objects have come and the exam is reported again; give its trace."""

    def done() -> bool:
        with node.db.read() as session:
            (exam,) = trace(session, study)
        came = exam["instances"]
        enough = len(came) == instances and sum(i["duplicates"] for i in came) == duplicates
        return enough and exam["state"] == "reported"

    wait_until(done, "the exam is reported again", seconds=60)
    return node.trace(study)


def test_what_comes_late_gives_a_new_version_that_says_what_changed(tmp_path, exam_folder):
    views = {name: dcmread(exam_folder / f"{name}.dcm") for name in ("R_CC", "R_MLO", "L_CC")}
    first = write(tmp_path / "first", {name: views[name] for name in ("R_CC", "R_MLO")})
    # R CC was taken at 12:00, R MLO at 12:04.
    second = write(tmp_path / "second", {"again": taken_at(views["R_CC"], "124200"), "L_CC": views["L_CC"]})
    header = without_pixels(views["R_MLO"])
    third = write(
        tmp_path / "third",
        {
            "earlier": taken_at(views["R_MLO"], "115000"),
            "mark": measurement_report(81, header, row=900.0, column=900.0, radius=20.0),
        },
    )
    irrelevant = write(
        tmp_path / "irrelevant",
        {"dose": plain_report(82, header, sop_class=DOSE_REPORT), "report": plain_report(83, header)},
    )
    study = str(header.StudyInstanceUID)
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)], quiet=1.0, receivers=1) as node,
    ):
        send(first, node)
        one = node.wait_for_answer(study)["reports"][0]
        kept = digests(node, one)
        send(second, node)
        two = node.wait_for_answer(study, version=2)["reports"][1]
        send(third, node)
        exam = node.wait_for_answer(study, version=3)
        three = exam["reports"][2]
        said = [texts(result_of(node, report, "readable_report")) for report in (one, two, three)]
        named = [
            references(result_of(node, report, "readable_report"), "PredecessorDocumentsSequence")
            for report in (one, two, three)
        ]
        for folder in (irrelevant, second, first):
            send(folder, node)
        ours = write(
            tmp_path / "ours", {str(n): dcmread(node.files.path(r["sha256"])) for n, r in enumerate(two["results"])}
        )
        send(ours, node)
        expected = len(exam["instances"]) + 2 + len(two["results"])
        after = settled(node, study, instances=expected, duplicates=4)
        assert digests(node, one) == kept
        received = pacs.uids()
    assert [len(report["views"]) for report in (one, two, three)] == [2, 4, 5]
    assert "R CC was taken again at 12:42; the later image replaces the one taken at 12:00." in said[1]
    assert "L CC came later and was added." in said[1]
    assert "The R CC taken at 12:42 is used instead of this one, taken at 12:00." in said[1]
    assert (
        "Another R MLO, taken at 11:50, arrived and is not used: the one taken at 12:04 is the later image." in said[2]
    )
    assert "A mark for R MLO came later and its analysis was centred on it." in said[2]
    assert named[0] == set()
    assert named[1] <= uids_of(one)
    assert named[2] <= uids_of(two)
    assert named[1]
    assert named[2]
    assert not uids_of(one) & uids_of(two) | uids_of(two) & uids_of(three)
    assert answers(after) == answers(exam)
    assert sorted(received) == sorted(uids_of(one) | uids_of(two) | uids_of(three))
