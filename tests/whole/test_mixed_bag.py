"""A bag of everything a PACS may send at once: each object has its stable reason, and none stops another."""

from copy import deepcopy

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, KeyObjectSelectionDocumentStorage

from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.sending import send_folder
from dcis_node.phantom import variants
from tests.peers import StoragePeer
from tests.whole.nodes import running_node

REASONS = {
    "magnification": "magnification_view",
    "for_processing": "for_processing",
    "tomosynthesis": "tomosynthesis",
    "synthetic_2d": "synthetic_2d",
    "ct": "not_mammography",
    "truncated": "pixels_truncated",
    "garbage": "pixels_undecodable",
    "without_pixels": "pixels_missing",
}


def garbage(view: FileDataset) -> FileDataset:
    """A JPEG 2000 view whose stream is noise behind a true beginning."""
    out = variants.renamed(view, "garbage")
    noise = np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes()
    out.PixelData = encapsulate([b"\xff\x4f\xff\x51" + noise])
    out["PixelData"].is_undefined_length = True
    out["PixelData"].VR = "OB"
    out.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return out


def key_object(view: FileDataset) -> FileDataset:
    """The only object of another study: a note without an image."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = KeyObjectSelectionDocumentStorage
    meta.MediaStorageSOPInstanceUID = "2.25.77001"
    note = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    note.SOPClassUID, note.SOPInstanceUID = KeyObjectSelectionDocumentStorage, "2.25.77001"
    note.StudyInstanceUID, note.SeriesInstanceUID = "2.25.77002", "2.25.77003"
    note.PatientID, note.PatientName, note.StudyDate, note.Modality = "OTHER", "OTHER", "20240202", "KO"
    return note


def texts(item):
    """Every text of a structured report."""
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "TEXT":
            yield child.TextValue
        yield from texts(child)


@pytest.fixture
def bag(tmp_path, exam_folder):
    """Three sound views, the odd ones beside them, and a study without images. Gives the folder and name -> UID."""
    folder = tmp_path / "bag"
    folder.mkdir()
    views = {path.stem: dcmread(path) for path in sorted(exam_folder.glob("*.dcm"))}
    first = views["R_CC"]
    objects = {
        **{name: views[name] for name in ("R_CC", "L_CC", "R_MLO")},
        "magnification": variants.magnification_view(first),
        "for_processing": variants.for_processing(first),
        "tomosynthesis": variants.tomosynthesis(first),
        "synthetic_2d": variants.synthetic_2d(first),
        "ct": variants.ct_slice(first),
        "garbage": garbage(first),
        "without_pixels": variants.without_pixels(views["L_CC"]),
        "truncated": variants.renamed(deepcopy(views["L_MLO"]), "truncated"),
        "empty_study": key_object(first),
    }
    for name, ds in objects.items():
        ds.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    whole = (folder / "truncated.dcm").read_bytes()
    (folder / "truncated.dcm").write_bytes(whole[: len(whole) // 2])
    return folder, {name: str(ds.SOPInstanceUID) for name, ds in objects.items()}


def test_each_object_of_a_mixed_bag_has_its_reason_and_none_stops_another(tmp_path, bag):
    folder, uids = bag
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)], quiet=1.0) as node,
    ):
        peer = PeerAddress(host="127.0.0.1", port=node.port, aet="DCIS_NODE", calling_aet="PACS")
        lines = send_folder(folder, peer)
        assert [(line.path.name, line.text) for line in lines if not line.stored] == []
        exam = node.wait_for_answer(uids["R_CC"])
        empty = node.trace(uids["empty_study"])
    views = {view["sop_instance_uid"]: view for view in exam["reports"][-1]["views"]}
    assert {name: views[uids[name]]["reason"] for name in REASONS} == REASONS
    assert [views[uids[name]]["reason"] for name in ("R_CC", "L_CC", "R_MLO")] == ["eligible"] * 3
    assert not any(views[uids[name]]["eligible"] for name in REASONS)
    assert {i["reason"] for i in empty["instances"]} == {"not_an_image"}
    assert (empty["reports"], empty["state"] == "failed") == ([], False)
    assert set(exam["deliveries"]) <= {"sent", "proven"}
    report = next(r for r in exam["reports"][-1]["results"] if r["sop_class_uid"] == "1.2.840.10008.5.1.4.1.1.88.22")
    text = "\n".join(texts(dcmread(node.files.path(report["sha256"]))))
    assert [reason for reason in REASONS.values() if reason not in text] == []
