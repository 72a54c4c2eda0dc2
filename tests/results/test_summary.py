"""The summary image: the whole answer in one picture, legible, of nobody in particular."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dcis_node.mammogram.facts import Reason
from dcis_node.results import wording
from dcis_node.results.answer import ViewPicture
from dcis_node.results.drawing.montage import hang_places
from dcis_node.results.drawing.picture import OUTLINE_COLOUR
from dcis_node.results.drawing.place_picture import INSET_COLOUR, REFUSED_COLOUR, seat_of
from dcis_node.results.drawing.summary_picture import (
    BANNER_COLOUR,
    HEIGHT,
    TEXT_SIZES,
    VIEWS_WIDTH,
    WIDTH,
    banner_height,
    draw_summary,
    summary_lines,
    views_area,
)
from dcis_node.results.exam_results import lesions_of
from dcis_node.results.identity import plain
from dcis_node.results.kinds import ResultKind
from dcis_node.results.sr.readable import finding_sentences, impression_sentences, procedure_sentences
from dcis_node.results.summary import build_summary
from tests.judge import judge
from tests.results.builders import (
    HIGH,
    LOW,
    MODEL,
    NOT_ANALYSED,
    NOTHING,
    STUDY,
    answer,
    four_views,
    image,
    mask_of,
    refused,
    results_of,
)
from tests.results.reading import read

COLUMN = (1080, 632)
LONG = "This object could not be used for a reason that takes some words to tell, and then some more of them. "


def drawn(given):
    return draw_summary(given, lesions_of(given))


def summary_of(*args, **changed):
    (result,) = results_of(*args, kinds=frozenset({ResultKind.SUMMARY_IMAGE}), **changed)
    return read(result)


def has(pixels, colour):
    return bool((pixels == colour).all(axis=2).any())


def words_of(lines):
    return " ".join(line.text for line in lines)


def not_analysed():
    return answer([refused(number=n, explanation="This is raw data.") for n in (1, 2)], NOT_ANALYSED)


# --- the object ---


def test_it_is_a_single_uncompressed_rgb_secondary_capture_in_the_study_of_the_reports():
    ds = summary_of()
    assert ds.SOPClassUID == SecondaryCaptureImageStorage
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration) == (HEIGHT, WIDTH, 3, 0)
    assert (ds.PhotometricInterpretation, ds.BitsAllocated, ds.Modality) == ("RGB", 8, "OT")
    assert ds.StudyInstanceUID == STUDY
    assert ds.SeriesDescription == "RUO DCIS summary SYNTHETIC"
    assert not {"NumberOfFrames", "VOILUTFunction", "PixelSpacing"} & set(ds.dir())


def test_it_says_that_nobody_is_named_in_it_and_what_it_may_not_be_used_for():
    ds = summary_of()
    assert (ds.BurnedInAnnotation, ds.RecognizableVisualFeatures) == ("NO", "NO")
    for text in (ds.ImageComments, ds.DerivationDescription):
        assert wording.banner(answer()) in text


def test_it_is_as_old_as_the_decision():
    ds = summary_of()
    assert (ds.DateOfSecondaryCapture, ds.TimeOfSecondaryCapture) == (ds.ContentDate, ds.ContentTime)
    assert (ds.ContentDate, ds.ContentTime) == ("20261123", "093015")


def test_it_points_at_every_view_that_hangs_in_it_analysed_or_not():
    ds = summary_of([*four_views()[:3], refused("L", "MLO", number=4), refused("R", "CC", number=5)])
    found = [item.ReferencedSOPInstanceUID for item in ds.SourceImageSequence]
    assert found == [f"{STUDY}.{n}" for n in (1, 2, 3, 4)]
    assert ds.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


@pytest.mark.parametrize(("sides", "said"), [("R", "R"), ("L", "L"), ("RL", "B")])
def test_it_says_which_breasts_it_shows(sides, said):
    ds = summary_of([image(side, number=n) for n, side in enumerate(sides, 1)])
    assert ds.ImageLaterality == said
    assert "Laterality" not in ds


@pytest.mark.parametrize("stated", ["00", "01", None])
def test_a_loss_of_its_images_is_its_own(stated):
    ds = summary_of([image(LossyImageCompression=stated)])
    assert ds.get("LossyImageCompression") == ("01" if stated == "01" else None)


def test_equal_answers_give_equal_bytes():
    given = answer()
    assert build_summary(given, lesions_of(given)).data == build_summary(answer(), lesions_of(answer())).data


OBJECTS = {
    "high": {},
    "trained model": {"model": replace(MODEL, synthetic=False)},
    "nothing found": {"images": [image(number=n, box=None) for n in (1, 2)], "decision": NOTHING},
    "not analysed": {"images": not_analysed().images, "decision": NOT_ANALYSED},
    "nothing with a name": {
        "images": [refused(None, None, reason=Reason.VIEW_UNKNOWN, PatientOrientation=None)],
        "decision": NOT_ANALYSED,
    },
    "one breast, bare header": {"images": [image(SpecificCharacterSet=None, PatientID=None, StudyDate=None)]},
    "later version": {"version": 2, "change": "L MLO came later."},
}


@pytest.mark.peer
@pytest.mark.parametrize("name", OBJECTS)
def test_a_foreign_judge_finds_no_fault(name):
    given = answer(**OBJECTS[name])
    assert judge([build_summary(given, lesions_of(given))]) == []


@pytest.mark.peer
def test_the_foreign_judge_would_find_a_fault():
    given = answer()
    result = build_summary(given, lesions_of(given))
    broken = result.data.replace(b"\x28\x00\x01\x03CS\x02\x00NO", b"\x28\x00\x01\x03CS\x02\x00XX")
    assert broken != result.data
    assert judge([replace(result, data=broken)])


# --- the picture ---


def test_the_warning_stands_above_in_a_colour_of_its_own():
    pixels, height = drawn(answer()), banner_height(answer())
    assert (pixels[:height] == BANNER_COLOUR).all(axis=2).mean() > 0.7
    assert not has(pixels[height:], BANNER_COLOUR)


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_warning_is_one_line_above_what_viewers_write_over_the_corners(synthetic):
    assert banner_height(answer(model=replace(MODEL, synthetic=synthetic))) < 65


def test_a_synthetic_model_is_said_in_the_band():
    bands = [drawn(answer(model=replace(MODEL, synthetic=synthetic)))[:40] for synthetic in (True, False)]
    # Letters far to the right, where the shorter sentence has none.
    assert [has(band[:, 1200:], (255, 255, 255)) for band in bands] == [True, False]


@settings(max_examples=12, deadline=None)
@given(side=st.sampled_from("RL"), mirrored=st.booleans(), row=st.integers(10, 90), column=st.integers(20, 60))
def test_the_outline_lies_on_the_lesion_as_the_view_hangs(side, mirrored, row, column):
    mask = mask_of((row, column, row + 20, column + 10))
    view = image(side, "CC", mask=mask)
    given = answer([replace(view, picture=ViewPicture(np.full((120, 90), 100, np.uint8), mirrored))])
    place, box = next(seat for seat in hang_places(given, views_area(given))[0] if seat[0].image is not None)
    seat = seat_of(place, place.image.picture, box)
    scale = seat.width / 90
    expected_column = (90 - column - 5 if mirrored else column + 5) * scale
    # Without the outer third, where an inset may lie.
    top, left = box.top + seat.top, box.left + seat.left
    pixels = drawn(given)[top : top + seat.height, left : left + seat.width]
    rows, columns = np.nonzero((pixels == OUTLINE_COLOUR).all(axis=2))
    assert (rows.min() + rows.max()) / 2 == pytest.approx((row + 10) * scale, abs=3)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(expected_column, abs=3)


def test_right_hangs_on_the_left_with_the_chest_walls_in_the_middle():
    pixels = drawn(answer())
    middle = pixels[300:1100, VIEWS_WIDTH // 2 - 40 : VIEWS_WIDTH // 2 + 40, 0]
    outer = pixels[300:1100, [*range(100, 140), *range(VIEWS_WIDTH - 140, VIEWS_WIDTH - 100)], 0]
    assert np.median(middle) == 180
    assert np.median(outer) <= 80


def test_an_outline_is_drawn_for_each_outlined_view_and_for_no_other():
    given = answer()
    pixels = drawn(given)
    for place, box in hang_places(given, views_area(given))[0]:
        part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
        assert has(part, OUTLINE_COLOUR) == place.image.outlined


def test_a_small_lesion_is_shown_enlarged_beside_the_breast():
    grey = np.zeros((1000, 800), np.uint8)
    grey[200:800, 400:] = 120
    mask = mask_of((2000, 2400, 2080, 2480), rows=4000, columns=3200)
    view = replace(image(mask=mask, rows=4000, columns=3200), picture=ViewPicture(grey, mirrored=False))
    pixels = drawn(answer([view]))
    corner = pixels[100:280, :190]
    assert has(corner, INSET_COLOUR)
    columns = np.flatnonzero((corner == OUTLINE_COLOUR).all(axis=2).any(axis=0))
    # 20 pixels of the small picture are 12 in the hung view, and far more in the inset.
    assert columns.max() - columns.min() > 60


def test_an_inset_never_covers_tissue():
    view = image(mask=mask_of((60, 60, 63, 63)))
    picture = ViewPicture(np.full((120, 90), 120, np.uint8), mirrored=False)
    assert not has(drawn(answer([replace(view, picture=picture)])), INSET_COLOUR)


@pytest.mark.parametrize("decision", [HIGH, LOW, NOTHING])
def test_what_was_not_analysed_is_told_in_a_colour_of_its_own(decision):
    assert not has(drawn(answer(decision=decision)), REFUSED_COLOUR)
    given = not_analysed()
    pixels, area = drawn(given), views_area(given)
    assert has(pixels[area.top :, :VIEWS_WIDTH], REFUSED_COLOUR)
    assert has(pixels[area.top : area.top + 100, VIEWS_WIDTH:], REFUSED_COLOUR)


def test_two_patients_with_the_same_views_have_the_same_picture():
    canary = {
        "PatientName": "CANARY^BIRD",
        "PatientID": "CANARY-1",
        "PatientBirthDate": "19010203",
        "AccessionNumber": "CANARY-2",
        "InstitutionName": "CANARY HOSPITAL",
        "ReferringPhysicianName": "CANARY^DOCTOR",
        "StudyID": "CANARY-3",
        "StudyDescription": "CANARY",
        "PatientSex": "O",
        "PatientAge": "099Y",
        "StudyDate": "19990909",
    }
    one, two = image(), image(**canary)
    left, left_too = refused("L", number=2), refused("L", number=2, **canary)
    assert np.array_equal(drawn(answer([one, left])), drawn(answer([two, left_too])))
    # The comparison would see a difference of one letter.
    assert not np.array_equal(drawn(answer([one, left])), drawn(answer([one, left], completeness="All four came.")))


def test_a_view_that_names_a_person_in_its_pixels_is_not_shown():
    given = answer([image(BurnedInAnnotation="YES")])
    pixels, shown = drawn(given), drawn(answer([image(BurnedInAnnotation="NO")]))
    assert has(shown, OUTLINE_COLOUR)
    assert not has(pixels, OUTLINE_COLOUR)
    assert summary_of([image(BurnedInAnnotation="YES")]).BurnedInAnnotation == "NO"


def test_a_view_without_a_picture_keeps_its_place_and_figures():
    given = answer([replace(image(), picture=None)])
    assert not has(drawn(given), OUTLINE_COLOUR)
    assert summary_of(given.images)


# --- its texts ---


def sentences(given):
    lesions = lesions_of(given)
    return [
        *impression_sentences(given)[1:],
        *finding_sentences(given, lesions),
        *procedure_sentences(given, lesions),
    ]


ANSWERS = {
    "high": answer,
    "low": lambda: answer(decision=LOW),
    "nothing found": lambda: answer([image(box=None)], NOTHING),
    "not analysed": not_analysed,
    "one left out": lambda: answer([*four_views(), refused("L", "ML", number=9)]),
    "later version": lambda: answer(version=2, change="L MLO came later."),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_it_says_all_that_the_readable_report_says(name):
    given = ANSWERS[name]()
    lines = summary_lines(given, lesions_of(given), hidden=(), size=COLUMN)
    for sentence in sentences(given):
        assert plain(sentence) in words_of(lines)
    assert min(line.size for line in lines) >= min(TEXT_SIZES) >= 20


def test_the_result_stands_first_and_largest():
    lines = summary_lines(answer(), lesions_of(answer()), hidden=(), size=COLUMN)
    assert words_of(lines).startswith(wording.headline(answer()))
    assert lines[0].size == max(line.size for line in lines)


def test_views_without_room_are_named_in_the_text():
    lines = summary_lines(answer(), lesions_of(answer()), hidden=["R ML 5", "R ML 6"], size=COLUMN)
    assert "No room for the pictures of R ML 5, R ML 6." in words_of(lines)


def crowded(count):
    reasons = [r for r in Reason if r not in {Reason.ELIGIBLE, Reason.OWN_RESULT, Reason.NOT_AN_IMAGE}]
    others = [
        refused("L", "CC", number=20 + n, reason=reasons[n], explanation=f"{n}: {LONG * 2}") for n in range(count)
    ]
    return answer([*four_views(), *others])


@pytest.mark.parametrize("count", [1, 3, 6, 15])
def test_sentences_that_do_not_fit_are_counted_and_nothing_is_cut_unseen(count):
    given = crowded(count)
    lines = summary_lines(given, lesions_of(given), hidden=(), size=COLUMN)
    words = words_of(lines)
    missing = sum(plain(sentence) not in words for sentence in sentences(given))
    assert (missing > 0) == (count > 1)
    if missing:
        assert f"readable report only: {missing}." in words
    assert "Made by dcis-node" in words
    assert "version 1.2.0" in words


def test_a_text_too_long_for_any_picture_ends_in_a_sign():
    given = answer(completeness=LONG * 40)
    lines = summary_lines(given, lesions_of(given), hidden=(), size=COLUMN)
    assert lines[-1].text.endswith("...")


def test_no_letter_leaves_its_column():
    pixels = drawn(crowded(15))
    assert not pixels[banner_height(answer()) :, WIDTH - 8 :].any()
    assert not pixels[HEIGHT - 4 :, VIEWS_WIDTH:].any()
