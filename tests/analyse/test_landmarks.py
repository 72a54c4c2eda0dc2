"""Marks at known pixels go in, and SEG, report and presentation state lie on exactly those pixels."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from tests.analyse.landmarks import GEOMETRIES, VIEWS, LandmarkEnsemble, four_marked_views, missed, report_of

pytestmark = pytest.mark.usefixtures("fast_decode")
KINDS = ("SEG", "SCOORD", "GSPS")


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("reversed_", [False, True], ids=["hung", "against its laterality"])
def test_what_was_marked_is_where_every_object_says(tmp_path, bundle, geometry, photometric, reversed_):
    images, marked = four_marked_views(geometry, reversed_=reversed_, photometric=photometric)
    results = report_of(tmp_path, bundle, images)
    assert missed(results, marked) == set()
    shapes = {ds.PresentationLUTShape for ds in results if ds.Modality == "PR"}
    assert shapes == {"INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"}


def misplaced(folder, bundle, images, marked, ensemble_class):
    """What lies wrong in an exam that did get all its objects."""
    results = report_of(folder, bundle, images, ensemble_class)
    assert sorted(ds.Modality for ds in results) == ["PR"] * 4 + ["SEG"] * 4 + ["SR"] * 2
    return missed(results, marked)


def everything(marked):
    return {(uid, kind) for uid in marked for kind in KINDS}


def exam(**changed):
    values = {"geometry": GEOMETRIES["two to one"], "reversed_": True, "photometric": "MONOCHROME2"} | changed
    return four_marked_views(values.pop("geometry"), **values)


class NotTurnedBack(LandmarkEnsemble):
    """Forgets that it saw a view mirrored."""

    def predict_view(self, image, breast_mask, *, mirrored=False, **given):
        seen = super().predict_view(image, breast_mask, mirrored=mirrored, **given)
        return replace(seen, mask=np.ascontiguousarray(seen.mask[:, ::-1])) if mirrored else seen


class OneRowDown(LandmarkEnsemble):
    """Puts its mask one row too low."""

    def predict_view(self, image, breast_mask, **given):
        seen = super().predict_view(image, breast_mask, **given)
        return replace(seen, mask=np.roll(seen.mask, 1, axis=0))


class OneColumnAside(LandmarkEnsemble):
    """Puts its mask one column to the right."""

    def predict_view(self, image, breast_mask, **given):
        seen = super().predict_view(image, breast_mask, **given)
        return replace(seen, mask=np.roll(seen.mask, 1, axis=1))


@pytest.mark.parametrize("wrong", [NotTurnedBack, OneRowDown, OneColumnAside])
def test_a_mask_in_a_wrong_place_would_be_seen_in_every_object(tmp_path, bundle, wrong):
    images, marked = exam()
    assert misplaced(tmp_path, bundle, images, marked, wrong) == everything(marked)


def test_a_mirror_that_is_forgotten_harms_no_view_that_hangs_as_it_should(tmp_path, bundle):
    images, marked = exam(reversed_=False)
    assert misplaced(tmp_path, bundle, images, marked, NotTurnedBack) == set()


def test_outlines_half_a_pixel_aside_would_be_seen(tmp_path, bundle):
    images, marked = exam()
    results = report_of(tmp_path, bundle, images)
    for aside in (0.5, -0.5, 1.0):
        moved = [copy.deepcopy(ds) for ds in results]
        for item in (item for ds in moved for item in ds.iterall() if item.keyword == "GraphicData"):
            item.value = [value + aside for value in item.value]
        assert missed(moved, marked) == {(uid, kind) for uid in marked for kind in ("SCOORD", "GSPS")}


def test_marks_are_told_apart_from_their_mirrored_turned_and_shifted_ones():
    (_, marked), other = exam(), exam(reversed_=False)[1]
    assert len(marked) == len(VIEWS)
    for uid, pixels in marked.items():
        letter = pixels[np.ix_(pixels.any(axis=1), pixels.any(axis=0))]
        alike = [letter[::-1], letter[:, ::-1], letter[::-1, ::-1], letter.T, np.rot90(letter)]
        assert not any(letter.shape == turned.shape and np.array_equal(letter, turned) for turned in alike)
        assert not np.array_equal(pixels, other[uid][:, ::-1])
        assert sum(np.array_equal(pixels, third) for third in marked.values()) == 1
