import logging
import string
import warnings
from io import BytesIO

import pydicom
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import MammogramHeader
from dcis_node.mammogram.header import read_header

READ = [
    "ImageType", "Modality", "PresentationIntentType", "ImageLaterality", "Laterality", "ViewPosition", "Manufacturer",
    "PatientOrientation", "Rows", "Columns", "NumberOfFrames", "BitsStored", "PhotometricInterpretation",
    "ImagerPixelSpacing", "PixelSpacing", "EstimatedRadiographicMagnificationFactor", "DistanceSourceToDetector",
    "DistanceSourceToPatient", "PatientAge", "PatientBirthDate", "StudyDate", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "BreastImplantPresent", "PartialView", "PaddleDescription", "SeriesDescription",
    "ViewCodeSequence", "ViewModifierCodeSequence", "AnatomicRegionSequence", "SharedFunctionalGroupsSequence",
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "ManufacturerModelName", "BodyPartExamined",
    "SpecimenDescriptionSequence", "AcquisitionDeviceProcessingDescription", "ProtocolName",
]  # fmt: skip
CANARY = "CANARY"


def raw_file(elements):
    """Write explicit little endian elements by hand, so that any bytes may stand under any tag."""
    data = b""
    for tag, vr, value in sorted(elements):
        even = value + b"\0" * (len(value) % 2)
        head = tag.to_bytes(4, "big")
        is_long = vr in (b"SQ", b"UN")
        length = b"\0\0" * is_long + len(even).to_bytes(4 if is_long else 2, "little")
        data += head[1::-1] + head[:1:-1] + vr + length + even
    return data


@given(
    st.lists(
        st.tuples(
            st.sampled_from(READ),
            st.sampled_from([b"CS", b"DS", b"US", b"LO", b"DA", b"SH", b"FD", b"UI", b"AS", b"SQ", b"UN"]),
            st.one_of(
                st.binary(max_size=40),
                st.text(string.printable, max_size=30).map(lambda text: (CANARY + text).encode("ascii")),
            ),
        ),
        unique_by=lambda element: element[0],
        max_size=len(READ),
    )
)
def test_no_garbage_raises_warns_or_is_logged(elements):
    uids = {"SOPClassUID": sop.MAMMOGRAPHY_FOR_PRESENTATION, "SOPInstanceUID": "1.2", "StudyInstanceUID": "1.3"}
    plain = [
        (tag_for_keyword(keyword), b"UI", value.encode())
        for keyword, value in {**uids, "SeriesInstanceUID": "1.4"}.items()
    ]
    data = raw_file([*plain, *((tag_for_keyword(keyword), vr, value) for keyword, vr, value in elements)])
    ds = pydicom.dcmread(BytesIO(data), force=True)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            header = read_header(ds)
    finally:
        logging.getLogger().removeHandler(handler)
    assert records == []
    assert MammogramHeader.from_json(header.to_json()) == header
    assert CANARY not in "".join(header.notes)
