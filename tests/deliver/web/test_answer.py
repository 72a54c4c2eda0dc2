"""The answer to a STOW-RS request, as services really write it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.deliver.web.answer import NO_ANSWER, read_answer
from tests.deliver.web.peer import module

UIDS = st.lists(st.from_regex(r"\A2\.25\.[1-9][0-9]{0,20}\Z"), unique=True, max_size=6)
REASONS = st.integers(0, 0xFFFF)
NATIVE = (
    '<?xml version="1.0" encoding="utf-8"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
    "{}</NativeDicomModel>"
)


def attribute(tag, vr, inner):
    return f'<DicomAttribute tag="{tag}" vr="{vr}">{inner}</DicomAttribute>'


def xml(stored, failed):
    def item(number, uid, reason=None):
        inner = attribute("00081155", "UI", f'<Value number="1">{uid}</Value>')
        if reason is not None:
            inner += attribute("00081197", "US", f'<Value number="1">{reason}</Value>')
        return f'<Item number="{number}">{inner}</Item>'

    return NATIVE.format(
        attribute("00081198", "SQ", "".join(item(n, uid, reason) for n, (uid, reason) in enumerate(failed.items(), 1)))
        + attribute("00081199", "SQ", "".join(item(n, uid) for n, uid in enumerate(stored, 1)))
    ).encode()


@given(stored=UIDS, failed=st.dictionaries(st.from_regex(r"\A1\.[1-9][0-9]{0,20}\Z"), REASONS, max_size=6))
def test_json_and_xml_say_the_same(stored, failed):
    by_json = read_answer(module(stored=stored, failed=failed.items()))
    assert by_json == read_answer(xml(stored, failed))
    assert by_json.stored == dict.fromkeys(stored, 0)
    assert by_json.failed == failed


def test_a_warning_reason_is_kept():
    assert read_answer(module(warned=[("1.2", 0xB006)])).stored == {"1.2": 0xB006}


def test_a_list_around_the_data_set_is_taken():
    assert read_answer(b"[" + module(stored=["1.2"]) + b"]").stored == {"1.2": 0}


def test_an_object_that_is_both_is_not_stored():
    answer = read_answer(module(stored=["1.2"], failed=[("1.2", 0xA700)]))
    assert (answer.stored, answer.failed) == ({}, {"1.2": 0xA700})


def test_a_failure_without_a_reason_is_one():
    assert read_answer(module(failed=[("1.2", None)])).failed == {"1.2": None}


@pytest.mark.parametrize("reason", [-1, 65536, "x", "", None, 1.5, [], {}, "99999999999"])
def test_a_reason_that_is_no_us_is_none(reason):
    assert read_answer(module(failed=[("1.2", reason)])).failed == {"1.2": None}


def test_a_reason_written_as_text_is_read():
    assert read_answer(module(failed=[("1.2", "272")])).failed == {"1.2": 0x0110}


ORTHANC_GARBAGE = b'{\n\t"00081198" : \n\t{\n\t\t"vr" : "SQ"\n\t},\n\t"00081199" : \n\t{\n\t\t"vr" : "SQ"\n\t}\n}\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"[]",
        b"{}",
        b"[1, null, []]",
        b'{"00081199": 1}',
        b'{"00081199": {"Value": 1}}',
        b'{"00081199": {"Value": [1, {}, {"00081155": []}, {"00081155": {"Value": []}}]}}',
        b"{" * 100_000,
        b"[" * 100_000,
        b"<html><body>log in first</body></html>",
        b"<a" * 1000,
        b"not found",
        b"\xff\xfe<\0",
        ORTHANC_GARBAGE,
    ],
)
def test_what_is_no_answer_says_nothing(body):
    assert read_answer(body) == NO_ANSWER


def test_entities_that_grow_are_not_read():
    bomb = b'<!DOCTYPE a [<!ENTITY b "1.2">]>' + xml(["&b;"], {})
    assert read_answer(bomb) == NO_ANSWER


KEYS = st.sampled_from(["00081199", "00081198", "00081155", "00081197", "Value"])
ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(ANYTHING)
def test_nothing_in_json_breaks_it(value):
    answer = read_answer(json.dumps(value).encode())
    assert not set(answer.stored) & set(answer.failed)
