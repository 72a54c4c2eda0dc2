import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement

from dcis_node.errors import HeaderError, ResultError
from dcis_node.mammogram.header import read_header
from dcis_node.results.identity import derived_uid, plain
from dcis_node.results.kinds import ResultKind
from tests.results.builders import EQUIPMENT, MODEL, STUDY, attributes, four_view_results, image, refused, results_of
from tests.results.reading import read, readable

PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "SpecificCharacterSet",
)


def all_of(**changed):
    """All three kinds of results of one view with a changed header, read back."""
    return [read(result) for result in results_of([image(**changed)])]


def test_a_derived_uid_is_stable_valid_and_told_apart_by_each_part():
    assert derived_uid("a", "b") == derived_uid("a", "b")
    assert derived_uid("a", "b") != derived_uid("a", "c")
    assert derived_uid("a").startswith("2.25.")
    assert len(derived_uid("a")) <= 64


@pytest.mark.parametrize("changed", [{"inputs_sha256": "ee" * 32}, {"model": replace(MODEL, sha256="ee" * 32)}])
def test_other_inputs_or_another_bundle_give_other_uids(changed):
    ours = {(r.sop_instance_uid, r.series_instance_uid) for r in four_view_results()}
    others = {(r.sop_instance_uid, r.series_instance_uid) for r in results_of(**changed)}
    assert {uid for pair in ours for uid in pair}.isdisjoint(uid for pair in others for uid in pair)


def test_patient_and_study_are_those_of_the_images_in_every_object():
    source = image().attributes
    for ds in all_of():
        for keyword in PATIENT_AND_STUDY:
            assert ds[keyword].value == source[keyword].value, keyword


def test_series_are_numbered_and_described_as_research():
    found = [read(result) for result in four_view_results()]
    assert [(ds.SeriesNumber, ds.SeriesDescription) for ds in found] == [
        (9001, "RUO DCIS report SYNTHETIC"),
        (9002, "RUO DCIS outlines and figures SYNTHETIC"),
        (9011, "RUO R CC DCIS outline SYNTHETIC"),
        (9012, "RUO R MLO DCIS outline SYNTHETIC"),
    ]


def test_a_later_version_has_series_numbers_of_its_own():
    assert readable(results_of(version=3)).SeriesNumber == 9201


def test_type_2_attributes_that_the_source_lacks_are_there_and_empty():
    missing = dict.fromkeys(
        (
            "PatientName",
            "PatientID",
            "IssuerOfPatientID",
            "PatientBirthDate",
            "PatientSex",
            "PatientAge",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
            "ReferringPhysicianName",
            "StudyDescription",
            "SpecificCharacterSet",
            "Manufacturer",
        )
    )
    for ds in all_of(**missing):
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
            assert ds[keyword].is_empty, keyword
        for keyword in ("StudyID", "AccessionNumber", "ReferringPhysicianName"):
            assert ds[keyword].is_empty, keyword
        for keyword in ("IssuerOfPatientID", "PatientAge", "StudyDescription", "SpecificCharacterSet"):
            assert keyword not in ds


@pytest.mark.parametrize(
    ("stated", "written"), [("F", "F"), ("M", "M"), ("O", "O"), ("U", ""), ("f ", "F"), ("female", ""), ("", "")]
)
def test_the_sex_is_one_that_the_standard_knows_or_empty(stated, written):
    one = image()
    one.attributes["PatientSex"] = DataElement("PatientSex", "CS", stated, validation_mode=0)
    (ds, *_) = [read(result) for result in results_of([one])]
    assert (ds.PatientSex or "") == written


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 192", "Müller^Zoë"),
        ("ISO_IR 100", "Müller^Änne"),
        ("ISO_IR 144", "Юлия^Жданова"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_a_name_in_any_writing_survives_in_every_object(character_set, name):
    for ds in all_of(SpecificCharacterSet=character_set, PatientName=name):
        ds.decode()
        assert str(ds.PatientName) == name
        assert ds.SpecificCharacterSet == character_set


def test_a_name_of_one_part_is_kept_and_not_warned_of():
    for ds in all_of(PatientName="Anna"):
        assert ds.PatientName == "Anna"


def test_a_broken_date_is_left_out_rather_than_making_our_object_invalid():
    one = image()
    one.attributes["StudyDate"] = DataElement("StudyDate", "DA", "05.01.2026", validation_mode=0)
    assert not readable(results_of([one])).StudyDate


def test_a_title_in_the_sources_writing_is_copied_and_one_that_is_too_long_is_left_out():
    for description, written in (("Röntgen Brust " * 4, "Röntgen Brust " * 4), ("x" * 65, None), ("a\tb", None)):
        one = image()
        one.attributes["StudyDescription"] = DataElement("StudyDescription", "LO", description, validation_mode=0)
        (result, *_) = results_of([one], kinds=frozenset({ResultKind.READABLE_REPORT}))
        assert read(result).get("StudyDescription") == (written and written.strip())


def test_a_sequence_of_the_source_is_copied_only_if_its_texts_need_no_character_set():
    for number, copied in (("OTHER-1", True), ("Ä-1", False)):
        item = Dataset()
        item.PatientID, item.TypeOfPatientID = number, "TEXT"
        ds = readable(
            results_of([image(OtherPatientIDsSequence=[item])], kinds=frozenset({ResultKind.READABLE_REPORT}))
        )
        assert ("OtherPatientIDsSequence" in ds) is copied


def test_a_mammograph_with_a_foreign_name_is_named_in_ascii():
    ds = readable(results_of([image(Manufacturer="Gerät\\Bau", SoftwareVersions=["1.0", "ß"])]))
    acquisition, _ = ds.ContributingEquipmentSequence
    assert (acquisition.Manufacturer, list(acquisition.SoftwareVersions)) == ("Ger?t", ["1.0", "?"])


@pytest.mark.parametrize("uid", ["2.25." + "1" * 70, "2.25..1", "2.25.1 a", "1.2.ü"])
def test_a_reference_that_is_no_uid_is_never_written(uid):
    # Such an object gets no header when it is received, so none of an exam has one.
    one = image()
    odd = replace(one, header=replace(one.header, sop_instance_uid=uid))
    with pytest.raises(ResultError, match=r"VR|UID|read"):
        results_of([odd])


def test_a_received_object_without_valid_uids_has_no_header():
    ds = attributes()
    ds["SeriesInstanceUID"] = DataElement("SeriesInstanceUID", "UI", "2.25." + "1" * 70, validation_mode=0)
    with pytest.raises(HeaderError):
        read_header(ds)


def test_an_overlong_patient_id_is_kept_as_another_identity_would_be_worse():
    one = image()
    long = "X" * 70 + "1"
    one.attributes["PatientID"] = DataElement("PatientID", "LO", long, validation_mode=0)
    (result, *_) = results_of([one])
    with pytest.warns(UserWarning, match="exceeds the maximum length"):
        assert read(result).PatientID == long


def test_a_broken_value_of_a_source_is_quoted_in_no_warning_and_no_log(caplog):
    one = image(PatientName="Anna")
    one.attributes["StudyDate"] = DataElement("StudyDate", "DA", "05.01.2026", validation_mode=0)
    one.attributes["PatientBirthDate"] = DataElement("PatientBirthDate", "DA", "born 1960", validation_mode=0)
    buffer = io.BytesIO()
    dcmwrite(buffer, one.attributes, implicit_vr=False, little_endian=True)
    buffer.seek(0)
    raw = dcmread(buffer, force=True)
    results_of([replace(one, attributes=raw)])  # a warning would be an error here
    assert not caplog.records


def test_all_times_are_the_moment_of_the_decision():
    for result in four_view_results():
        ds = read(result)
        for moment in ("InstanceCreation", "Content", "Series"):
            assert (ds[f"{moment}Date"].value, ds[f"{moment}Time"].value) == ("20261123", "093015")
        assert ds.ContributingEquipmentSequence[-1].ContributionDateTime == "20261123093015"


def test_times_are_written_in_the_zone_that_the_images_state():
    (ds, *_) = all_of(TimezoneOffsetFromUTC="-0530")
    assert (ds.ContentDate, ds.ContentTime, ds.TimezoneOffsetFromUTC) == ("20261123", "040015", "-0530")


def test_no_zone_is_claimed_where_the_images_state_none():
    local = datetime(2026, 11, 23, 23, 30, tzinfo=timezone(timedelta(hours=2)))
    ds = readable(results_of(made_at=local))
    assert (ds.ContentDate, ds.ContentTime) == ("20261123", "233000")
    assert "TimezoneOffsetFromUTC" not in ds


def test_the_node_is_the_equipment_and_the_mammograph_contributed():
    for result in four_view_results():
        ds = read(result)
        assert (ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions, ds.DeviceSerialNumber) == (
            EQUIPMENT.manufacturer,
            EQUIPMENT.model_name,
            EQUIPMENT.software_version,
            EQUIPMENT.device_serial_number,
        )
        assert (ds.StationName, ds.InstitutionName) == ("RESEARCH1", "Test hospital")
        acquisition, processing = ds.ContributingEquipmentSequence
        assert (acquisition.Manufacturer, list(acquisition.SoftwareVersions)) == ("Vendor", ["1.0", "2.0"])
        assert acquisition.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"
        assert processing.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert "bundle SHA-256 abababababab" in processing.ContributionDescription


def test_the_reports_go_where_most_views_were_analysed():
    images = [
        refused(number=1, study="2.25.1"),
        refused("L", number=2, study="2.25.1"),
        refused("L", "MLO", number=3, study="2.25.1"),
        image("R", "CC", number=4, study="2.25.2"),
    ]
    assert {r.study_instance_uid for r in results_of(images)} == {"2.25.2"}


def test_between_equal_studies_the_first_uid_decides_not_the_order_of_arrival():
    here, there = image(number=1, study="2.25.2"), image("R", "MLO", number=2, study="2.25.1")
    for order in ([here, there], [there, here]):
        assert results_of(order)[0].study_instance_uid == "2.25.1"


def test_the_file_says_who_wrote_it_and_begins_with_zeros():
    for result in four_view_results():
        ds = read(result)
        assert result.data[:132] == bytes(128) + b"DICM"
        assert ds.file_meta.ImplementationVersionName == "DCIS_NODE"
        assert ds.file_meta.MediaStorageSOPInstanceUID == result.sop_instance_uid


def test_plain_text_is_ascii_on_one_line_without_what_japanese_sets_read_otherwise():
    assert plain("Grösse\n a\\b  ~ 5") == "Gr?sse a?b ? 5"
    assert plain("a b c d", limit=4) == "a b"


def test_the_study_of_the_results_is_that_of_the_images():
    assert {r.study_instance_uid for r in four_view_results()} == {STUDY}


def test_the_moment_is_the_answers_own_and_not_the_clocks():
    ds = readable(results_of(made_at=datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)))
    assert (ds.InstanceCreationDate, ds.InstanceCreationTime) == ("20010203", "040506")
