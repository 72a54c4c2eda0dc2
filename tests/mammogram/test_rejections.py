import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.rejections import read_rejected

from .builders import code, reread

IMAGES = ("1.2.3.4.1", "1.2.3.4.2")


def note(title="113001", *, sop_class=sop.KEY_OBJECT_SELECTION, images=IMAGES):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, "1.2.3.5"
    ds.ConceptNameCodeSequence = [code(title, "DCM", "title")]
    ds.ContentSequence = []
    for uid in images:
        item, reference = Dataset(), Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop.MAMMOGRAPHY_FOR_PRESENTATION, uid
        item.ValueType, item.ReferencedSOPSequence = "IMAGE", [reference]
        ds.ContentSequence.append(item)
    return ds


@pytest.mark.parametrize("title", ["113001", "113037", "113038"])
def test_a_rejection_note_names_its_images(title):
    assert read_rejected(note(title)) == set(IMAGES)
    assert read_rejected(reread(note(title))) == set(IMAGES)


@pytest.mark.parametrize(
    "ds", [note("113000"), note("113039"), note(sop_class=sop.BASIC_TEXT_SR), note(images=()), Dataset()]
)
def test_anything_else_rejects_nothing(ds):
    assert read_rejected(ds) == frozenset()


@given(st.sampled_from(["ConceptNameCodeSequence", "ContentSequence", "SOPClassUID"]), st.text(max_size=8))
def test_no_garbage_raises(keyword, value):
    ds = note()
    ds[keyword] = DataElement(keyword, "LO", value)
    assert isinstance(read_rejected(ds), frozenset)
