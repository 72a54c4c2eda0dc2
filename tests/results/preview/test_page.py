"""The page: every view in its place, everything drawn where it lies, every object listed, nobody named."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.results.kinds import ResultKind
from dcis_node.results.preview.page import ENLARGED, MOST_ROWS, VIEW, _panel, draw_preview, rows_of
from dcis_node.results.preview.scene import Scene, SentObject, ShownImage
from dcis_node.results.preview.viewers import NAMES, VIEWERS
from dcis_node.results.preview.views import enlarged, whole_view
from dcis_node.results.profiles import TABLE, Destination, Profile
from tests.results.builders import attributes, four_views, image, results_of

FILL = (0, 253, 255)
YELLOW = (255, 255, 0)
GREY = {
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "SamplesPerPixel": 1,
}


def shown(source, **changes):
    """An image of an answer as the preview takes it."""
    header = source.header
    values = {
        "uid": header.sop_instance_uid,
        "label": f"{header.laterality} {header.view}",
        "side": str(header.laterality),
        "attributes": attributes(str(header.laterality), header.view, **GREY),
    }
    return ShownImage(**{**values, **changes})


def scene(profile=Profile.OHIF, images=None, **changes):
    """Results of an exam as a profile sends them."""
    sources = four_views() if images is None else images
    kinds = Destination("", profile).kinds(outlined=True)
    results = results_of(images, kinds=kinds) if images else results_of(kinds=kinds)
    sent = [SentObject(result.kind, result.data) for result in results]
    values = {"profile": profile, "objects": sent, "images": [shown(s) for s in sources], "banner": "RESEARCH USE ONLY"}
    return Scene(**{**values, **changes})


def flat(_uid):
    """Stored pixels of a view without anything on it."""
    return np.full((120, 90), 700, dtype=np.uint16)


def is_colour(picture, colour):
    return (np.asarray(picture) == colour).all(axis=2)


def test_a_fill_and_an_outline_lie_where_the_objects_say():
    """R CC has a lesion in rows 30 to 50, columns 20 to 45 of 120 x 90; the place shows the image 8 times enlarged."""
    page = scene()
    view = next(image for image in page.images if image.label == "R CC")
    drawings = [replace(drawing, captions=()) for drawing in page.drawings(view.uid)]
    drawn = whole_view(view, np.full((120, 90), 40, np.uint8), drawings, (960, 720))
    for colour, reach in ((FILL, 4), (YELLOW, 1)):
        rows, columns = np.nonzero(is_colour(drawn, colour))
        assert abs(rows.min() - 240) <= reach
        assert abs(rows.max() - 400) <= reach
        assert abs(columns.min() - 160) <= reach
        assert abs(columns.max() - 360) <= reach
    inside, outside = np.asarray(drawn)[320, 260], np.asarray(drawn)[200, 260]
    assert inside[1] > outside[1] == 40


def test_the_enlarged_piece_shows_the_lesion_and_nothing_is_enlarged_where_nothing_is_drawn():
    page = scene()
    right, left = page.images[0], page.images[1]
    grey = np.full((120, 90), 40, np.uint8)
    piece = enlarged(right, grey, page.drawings(right.uid), ENLARGED)
    assert is_colour(piece, FILL).any()
    assert enlarged(left, grey, page.drawings(left.uid), ENLARGED) is None


@pytest.mark.parametrize("profile", Profile)
def test_every_profile_is_drawn_and_lists_every_object_once(profile):
    page = scene(profile)
    picture = draw_preview(page, flat)
    assert picture.mode == "RGB"
    assert picture.width > 2 * VIEW[1]
    words = [paragraph.text for paragraph in _panel(page)]
    for sent in page.objects:
        assert words.count(f"{sent.dataset.SeriesNumber}  {sent.dataset.SeriesDescription}") == 1
    drawn = is_colour(picture, FILL).any() or is_colour(picture, YELLOW).any()
    assert bool(drawn) == bool(VIEWERS[profile].draws)


def test_a_viewer_draws_nothing_that_its_profile_does_not_send():
    for profile in Profile:
        assert set(Destination("", profile).every_kind) >= {
            kind for kind in VIEWERS[profile].draws if kind in TABLE[profile]
        }
    assert set(NAMES) == set(ResultKind)


def test_a_view_that_was_not_used_hangs_with_its_reason_and_one_without_pixels_is_framed():
    source = image("R", "CC")
    unused = shown(source, unused="It is a magnification view.")
    asked = []

    def pixels(uid):
        asked.append(uid)

    page = replace(scene(images=(source,)), images=[unused], objects=[])
    with_pixels, without = draw_preview(page, flat), draw_preview(page, pixels)
    assert asked == [unused.uid]
    assert with_pixels.size == without.size
    assert not np.array_equal(np.asarray(with_pixels), np.asarray(without))


def test_no_identity_of_the_patient_is_among_the_texts_of_the_page():
    page = scene(Profile.ARCHIVE)
    words = " ".join(paragraph.text for paragraph in _panel(page))
    assert "9001" in words
    for secret in ("Muster", "Anna", "PID-000123", "19600101", "ACC-77"):
        assert secret not in words


def test_many_views_make_no_endless_picture():
    page = scene()
    many = [replace(page.images[0], uid=f"2.25.{number}") for number in range(3 * MOST_ROWS)]
    assert draw_preview(replace(page, images=many), flat).height < (MOST_ROWS + 3) * VIEW[0]


@given(st.lists(st.tuples(st.sampled_from(["R", "L", ""]), st.sampled_from(["CC", "MLO", "XCCL", ""])), max_size=12))
def test_each_image_hangs_once_on_its_own_side_beside_the_same_view(views):
    images = [
        ShownImage(str(number), " ".join(filter(None, view)), view[0], attributes())
        for number, view in enumerate(views)
    ]
    rows = rows_of(images)
    hung = [image for row in rows for image in row.images if image is not None]
    assert sorted(image.uid for image in hung) == sorted(image.uid for image in images)
    for row in rows:
        assert row.right is None or row.right.side != "L"
        assert row.left is None or row.left.side != "R"
        if row.right and row.left and row.right.side and row.left.side:
            assert row.right.label[1:] == row.left.label[1:]
