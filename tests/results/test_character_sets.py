"""Patients in every writing, declared rightly, wrongly or not at all: the bytes of who they are come through."""

import io
import warnings
from dataclasses import replace
from itertools import takewhile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import data_element_generator, read_dataset
from pydicom.filewriter import write_data_element
from pydicom.tag import Tag

from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests.results.builders import answer, image

WRITINGS = {
    "German": ("ISO_IR 100", "Müller^Änne", "latin-1"),
    "Polish": ("ISO_IR 101", "Wałęsa^Łucja", "iso8859_2"),
    "Maltese": ("ISO_IR 109", "Ċensu^Ħal", "iso8859_3"),
    "Latvian": ("ISO_IR 110", "Bērziņa^Ģirts", "iso8859_4"),
    "Russian": ("ISO_IR 144", "Жданова^Юлия", "iso8859_5"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار", "iso8859_6"),
    "Greek": ("ISO_IR 126", "Διονυσιος", "iso8859_7"),
    "Hebrew": ("ISO_IR 138", "שרון^דבורה", "iso8859_8"),
    "Turkish": ("ISO_IR 148", "Çavuşoğlu^Işin", "iso8859_9"),
    "Thai": ("ISO_IR 166", "นามสกุล^ชื่อ", "tis_620"),
    "Katakana": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "shift_jis"),
    "Unicode": ("ISO_IR 192", "Wang^XiaoDong=王^小东=", "utf8"),
    "Chinese": ("GB18030", "Wang^XiaoDong=王^小东=", "gb18030"),
    "Chinese, older": ("GBK", "Wang^XiaoDong=王^小东=", "gbk"),
}
# The examples of PS3.5 annexes H, I and K, byte for byte: with escape sequences.
ESCAPED = {
    "Japanese": (
        b"\\ISO 2022 IR 87 ",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    "Japanese with Katakana": (
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
    ),
    "Korean": (
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    "Chinese with escapes": (b"\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="),
}
BROKEN = {
    "nothing declared": (None, "Müller^Änne".encode("latin-1")),
    "declared wrongly": (b"ISO_IR 192", "Müller^Änne".encode("latin-1")),
    "declared as ASCII": (b"ISO_IR 6", "Жданова".encode("iso8859_5")),
    "a term that is none": (b"ISO_IR 999", "Müller^Änne".encode("latin-1")),
    "a Python name": (b"UTF-8", "Müller^Änne".encode()),
    "misspelt": (b"ISO-IR 100", "Müller^Änne".encode("latin-1")),
    "a set that stands alone with others": (b"ISO_IR 192\\ISO 2022 IR 87", "王^小东".encode()),
    "an unknown escape": (b"ISO 2022 IR 6\\ISO 2022 IR 87", b"A\x1b%Zb^c"),
    "longer than allowed": (b"ISO_IR 192", ("王" * 90).encode()),
    "several values": (b"ISO_IR 100", b"Muster^Anna\\Muster^Berta"),
}


def padded(value, filler=b" "):
    return value + filler * (len(value) % 2)


# All kinds take their patient by the same functions; some cases go through all.
FEW = frozenset({ResultKind.READABLE_REPORT, ResultKind.SEGMENTATION})


def as_received(ds, **stated):
    """A header as it comes off the wire, with these bytes in these attributes; None takes one away."""
    encoded = {}
    for element in ds:
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, False
        write_data_element(buffer, element)
        encoded[element.tag] = buffer.getvalue()
    for keyword, value in stated.items():
        tag = Tag(keyword)
        encoded.pop(tag, None)
        if value is not None:
            head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little") + dictionary_VR(tag).encode()
            encoded[tag] = head + len(padded(value)).to_bytes(2, "little") + padded(value)
    data = b"".join(encoded[tag] for tag in sorted(encoded))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, at a character set that is none
        return read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True)


def built(kinds, **stated):
    one = image()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        results = build_results(answer([replace(one, attributes=as_received(one.attributes, **stated))]), kinds)
    return results, " ".join(str(warning.message) for warning in told)


def identity_of(result):
    """The bytes of the texts of a result, undecoded."""
    start = 144 + int.from_bytes(result.data[140:144], "little")  # behind the file meta information (PS3.10 7.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, at a character set that is none
        elements = data_element_generator(io.BytesIO(result.data[start:]), False, True)
        head = takewhile(lambda element: element.tag.group <= 0x0010, elements)
        return {keyword_for_tag(element.tag): element.value or b"" for element in head}


def assert_comes_through(kinds=FEW, **stated):
    results, told = built(kinds, **stated)
    assert {result.kind for result in results} == set(kinds)
    for result in results:
        found = identity_of(result)
        for keyword, value in stated.items():
            assert found.get(keyword) == (None if value is None else padded(value)), (result.kind, keyword)
    for value in (stated["PatientName"], stated["PatientID"]):
        assert value.decode("latin-1").strip() not in told


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_name_in_any_writing_comes_through(writing):
    declared, name, codec = WRITINGS[writing]
    assert_comes_through(
        SpecificCharacterSet=declared.encode(), PatientName=name.encode(codec), PatientID=b"PID-000123"
    )


@pytest.mark.parametrize("writing", ESCAPED)
def test_a_name_with_escape_sequences_comes_through(writing):
    declared, name = ESCAPED[writing]
    assert_comes_through(SpecificCharacterSet=declared, PatientName=name, PatientID=b"PID-000123")


@pytest.mark.parametrize("case", BROKEN)
def test_a_name_that_is_declared_wrongly_comes_through_too(case, caplog):
    declared, name = BROKEN[case]
    assert_comes_through(SpecificCharacterSet=declared, PatientName=name, PatientID=b"PID \xe4\xf6-7")
    assert name.decode("latin-1") not in caplog.text


@pytest.mark.parametrize(("declared", "name"), [*list(ESCAPED.values())[1:2], BROKEN["declared wrongly"]])
def test_the_patient_is_the_same_in_every_kind(declared, name):
    assert_comes_through(EVERY_KIND, SpecificCharacterSet=declared, PatientName=name, PatientID=b"PID \xe4\xf6-7")


TEXT = st.binary(max_size=90).filter(lambda value: b"\x1b" not in value)
TERMS = st.sampled_from([b"", b"ISO_IR 100", b"ISO_IR 192", b"GB18030", b"\\ISO 2022 IR 87", b"nonsense"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(declared=st.none() | TERMS, name=TEXT, number=TEXT, title=st.none() | TEXT, born=st.binary(max_size=12))
def test_no_header_makes_building_fail_or_changes_the_patient(declared, name, number, title, born):
    results, _ = built(
        frozenset({ResultKind.READABLE_REPORT}),
        SpecificCharacterSet=declared,
        PatientName=name,
        PatientID=number,
        StudyDescription=title,
        PatientBirthDate=born,
        AccessionNumber=title,
        StudyTime=born,
        TimezoneOffsetFromUTC=born,
    )
    found = identity_of(results[0])
    assert (found["PatientName"], found["PatientID"]) == (padded(name), padded(number))
    # An empty one says what none says, and would not be valid.
    assert found.get("SpecificCharacterSet") == (padded(declared) if declared else None)


# Elements that pydicom cannot decode, as (keyword, VR that the file claims, bytes).
UNREADABLE = [
    ("BitsStored", b"US", b"abc"),
    ("KVP", b"DS", b"1,5x"),
    ("ExposureTimeInms", b"FD", b"abcd"),
    ("PatientBirthDate", b"FD", b"abcd"),
    ("OtherPatientIDsSequence", b"SQ", b"garbage!"),
    ("TimezoneOffsetFromUTC", b"SQ", b"garbage!"),
    ("LossyImageCompression", b"FD", b"abcd"),
]


@pytest.mark.parametrize(("keyword", "vr", "value"), UNREADABLE)
def test_an_element_that_cannot_be_read_keeps_no_exam_from_its_result(keyword, vr, value):
    one = image()
    tag = Tag(keyword)
    header = as_received(one.attributes)[:]
    header[tag] = RawDataElement(tag, vr.decode(), len(value), value, 0, False, True)
    given = answer([replace(one, attributes=header)])
    first = build_results(given, EVERY_KIND)
    assert {result.kind for result in first} == EVERY_KIND
    assert isinstance(header.get_item(tag), RawDataElement)  # nobody has touched what was given


def test_building_twice_gives_equal_bytes_whatever_the_header_says():
    one = image()
    declared, name = BROKEN["declared wrongly"]
    header = as_received(one.attributes, SpecificCharacterSet=declared, PatientName=name, PatientID=name)
    given = answer([replace(one, attributes=header)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, which decodes for the checks
        first, second = build_results(given, FEW), build_results(given, FEW)
    assert [result.data for result in first] == [result.data for result in second]
