"""Two small exams whose views carry somebody's marks, and reading of what came back."""

from copy import deepcopy
from pathlib import Path

from pydicom import Dataset, dcmread

from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.sending import send_folder
from dcis_node.phantom.variants import renamed


def write(folder: Path, objects: dict[str, Dataset]) -> Path:
    """Write objects as files of a new folder."""
    folder.mkdir()
    for name, ds in objects.items():
        ds.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    return folder


def send(folder: Path, node) -> None:
    """Send a folder to a running node, and hold it to taking everything."""
    peer = PeerAddress(host="127.0.0.1", port=node.port, aet="DCIS_NODE", calling_aet="PACS")
    assert [line.text for line in send_folder(folder, peer) if not line.stored] == []


def of_patient(view: Dataset, patient: str) -> Dataset:
    """Give a view as another patient's, in a study of its own."""
    out = renamed(view, patient)
    out.PatientID = patient
    out.StudyInstanceUID = f"{view.StudyInstanceUID}.{patient[-1]}"
    return out


def taken_at(view: Dataset, clock: str) -> Dataset:
    """Give another exposure of a view, taken at HHMMSS."""
    out = renamed(view, f"taken/{clock}")
    out.AcquisitionTime = out.ContentTime = clock
    return out


def without_pixels(view: Dataset) -> Dataset:
    """Give the header of a view, for software that makes objects about it."""
    out = deepcopy(view)
    del out.PixelData
    return out


def result_of(node, report: dict, kind: str) -> Dataset:
    """Read the result of a kind of one version, as the node stores it."""
    (found,) = (result for result in report["results"] if result["kind"] == kind)
    return dcmread(node.files.path(found["sha256"]))


def content(item: Dataset):
    """Every content item of a report."""
    for child in item.get("ContentSequence", ()):
        yield child
        yield from content(child)


def texts(ds: Dataset) -> str:
    """All sentences of a report."""
    return "\n".join(str(i.TextValue).replace("\r\n", " ") for i in content(ds) if i.ValueType == "TEXT")


def pointed_at(ds: Dataset, concept: str) -> set[str]:
    """The objects that the items of a concept point at."""
    return {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in content(ds)
        if "ReferencedSOPSequence" in item
        if item.get("ConceptNameCodeSequence") and item.ConceptNameCodeSequence[0].CodeValue == concept
    }


def references(ds: Dataset, keyword: str) -> set[str]:
    """The objects in an evidence sequence, or in the Predecessor Documents."""
    return {
        str(item.ReferencedSOPInstanceUID)
        for study in ds.get(keyword, ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
