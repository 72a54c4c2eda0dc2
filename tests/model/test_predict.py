import numpy as np
import pytest
import torch

from dcis_node.model import predict
from dcis_node.model.evidence import LesionSource
from dcis_node.model.localise import Localisation, outline
from dcis_node.model.predict import Ensemble, outline_marked
from dcis_node.model.preprocess import Preprocessing

CPU = torch.device("cpu")


class Bright(Ensemble):
    """An ensemble whose segmentation is known: bright pixels are lesion, the brightest calcification."""

    def _segment_tiles(self, tiles):
        calcification = (tiles > 0.9).astype(np.float32)
        lesion = (tiles > 0.5).astype(np.float32) - calcification
        return np.stack([1 - lesion - calcification, lesion, calcification], 1)

    def judge_crop(self, crop):
        return self._segment_tiles(crop[None])[0, 1:], self._classify_crop(crop)


@pytest.fixture
def image():
    picture = np.full((210, 170), 0.2, np.float32)
    picture[40:70, 100:120] = 0.7
    picture[52:54, 108:110] = 1.0
    return picture


@pytest.fixture
def breast(image):
    mask = np.zeros(image.shape, np.bool_)
    mask[10:200, 5:160] = True
    return mask


@pytest.fixture
def ensemble(make_bundle):
    return Bright(make_bundle(), CPU)


def test_what_is_found_lies_where_it_is_in_stored_pixels(ensemble, image, breast):
    seen = ensemble.predict_view(image, breast)
    assert seen.source is LesionSource.FOUND
    assert seen.mask.shape == image.shape
    np.testing.assert_array_equal(seen.mask, image > 0.5)
    (candidate,) = seen.candidates
    assert candidate.box == (40, 100, 70, 120)
    assert candidate.area_px == 600
    assert candidate.calcifications == 1
    assert seen.centre == pytest.approx((54.5, 109.5), abs=0.2)


def test_the_probability_is_the_mean_of_the_calibrated_folds(ensemble, image, breast):
    seen = ensemble.predict_view(image, breast)
    assert len(seen.fold_probabilities) == 2
    assert seen.probability == pytest.approx(sum(seen.fold_probabilities) / 2)
    assert all(0 < p < 1 for p in seen.fold_probabilities)


def test_a_mirrored_view_gives_the_same_answer_as_the_view(ensemble, image, breast):
    seen = ensemble.predict_view(image, breast)
    turned = ensemble.predict_view(image[:, ::-1], breast[:, ::-1], mirrored=True)
    np.testing.assert_array_equal(turned.mask, seen.mask[:, ::-1])
    assert turned.fold_probabilities == seen.fold_probabilities
    assert turned.centre == pytest.approx((seen.centre[0], 169 - seen.centre[1]))
    assert turned.candidates[0].box == (40, 50, 70, 70)
    assert turned.candidates[0].column == pytest.approx(169 - seen.candidates[0].column)


def test_a_given_mark_is_the_centre_and_no_sweep_is_made(ensemble, image, breast, monkeypatch):
    monkeypatch.setattr(predict, "sweep", lambda *_a, **_k: pytest.fail("swept"))
    seen = ensemble.predict_view(image, breast, given=(60.0, 112.0))
    assert seen.source is LesionSource.GIVEN
    assert seen.centre == (60.0, 112.0)
    np.testing.assert_array_equal(seen.mask, image > 0.5)
    assert seen.probability is not None


def test_a_given_mark_on_a_mirrored_view_means_the_stored_place(ensemble, image, breast):
    seen = ensemble.predict_view(image[:, ::-1], breast[:, ::-1], mirrored=True, given=(60.0, 57.0))
    assert seen.centre == (60.0, 57.0)
    np.testing.assert_array_equal(seen.mask, (image > 0.5)[:, ::-1])


def test_a_mark_where_nothing_is_outlined_gives_a_probability_and_no_outline(ensemble, image, breast):
    seen = ensemble.predict_view(image, breast, given=(180.0, 20.0))
    assert seen.source is LesionSource.GIVEN
    assert seen.candidates == ()
    assert not seen.mask.any()
    assert seen.probability is not None


def test_a_mark_means_the_pieces_round_it_not_what_ranks_higher_elsewhere(ensemble, image, breast):
    image[130:170, 100:150] = 0.8
    image[40:70, 128:134] = 0.7
    seen = ensemble.predict_view(image, breast, given=(45.0, 110.0), spacing_mm=(0.14, 0.14))
    (lesion,) = seen.candidates
    assert lesion.box == (40, 100, 70, 134)
    expected = np.zeros(image.shape, np.bool_)
    expected[40:70, 100:120] = expected[40:70, 128:134] = True
    np.testing.assert_array_equal(seen.mask, expected)


def test_a_view_without_a_lesion_says_so(ensemble, breast):
    seen = ensemble.predict_view(np.full(breast.shape, 0.2, np.float32), breast)
    assert seen.source is LesionSource.NONE
    assert (seen.probability, seen.centre, seen.candidates) == (None, None, ())
    assert seen.mask.shape == breast.shape
    assert not seen.mask.any()


def test_a_lesion_outside_the_breast_is_not_found(ensemble, image, breast):
    breast[:, 95:] = False
    assert ensemble.predict_view(image, breast).source is LesionSource.NONE


def test_the_spacing_of_a_view_sets_how_large_a_component_is(make_bundle, image, breast):
    ensemble = Bright(make_bundle(localisation=Localisation(min_area_mm2=2.9)), CPU)
    assert ensemble.predict_view(image, breast, spacing_mm=(0.07, 0.07)).source is LesionSource.FOUND
    assert ensemble.predict_view(image, breast, spacing_mm=(0.05, 0.05)).source is LesionSource.NONE


def test_image_and_mask_of_two_shapes_are_refused(ensemble, image, breast):
    with pytest.raises(ValueError, match="one shape"):
        ensemble.predict_view(image, breast[:-1])


@pytest.mark.parametrize("border", ["inside", "zero", "reflect"])
@pytest.mark.parametrize("place", [(0.0, 0.0), (209.0, 169.0), (3.0, 168.0)])
def test_a_mark_in_a_corner_is_judged_whatever_the_border(make_bundle, image, breast, border, place):
    settings = Preprocessing(input_spacing_mm=0.14, crop_px=64, tile_px=64, overlap_px=16, border=border)
    seen = Ensemble(make_bundle(preprocessing=settings), CPU).predict_view(image, breast, given=place)
    assert 0 < seen.probability < 1
    assert seen.mask.shape == image.shape


def test_the_network_itself_sweeps_a_view_to_its_end(make_bundle, image, breast):
    seen = Ensemble(make_bundle(localisation=Localisation(threshold=0.01, min_area_mm2=0.0)), CPU).predict_view(
        image, breast
    )
    assert seen.source is LesionSource.FOUND
    assert not (seen.mask & ~breast).any()


def test_two_runs_give_equal_bits(make_bundle, image, breast):
    bundle = make_bundle(localisation=Localisation(threshold=0.01, min_area_mm2=0.0))
    one, two = (Ensemble(bundle, CPU).predict_view(image, breast) for _ in range(2))
    assert one.fold_probabilities == two.fold_probabilities
    np.testing.assert_array_equal(one.mask, two.mask)


def _pieces():
    """Three dots of 8 x 8 pixels of 0.5 mm: two beside a mark at (50, 50), one 25 mm away."""
    foreground = np.zeros((2, 120, 120), np.float32)
    for row, column, probability in ((46, 36, 0.9), (46, 58, 0.6), (46, 102, 0.9)):
        foreground[0, row : row + 8, column : column + 8] = probability
    return foreground


def test_all_pieces_within_reach_of_a_mark_are_one_lesion():
    settings = Localisation(threshold=0.5, join_mm=1.0, min_area_mm2=1.0)
    labels, (lesion,) = outline_marked(_pieces(), settings, mark=(50.0, 50.0), spacing_mm=(0.5, 0.5))
    np.testing.assert_array_equal(labels == lesion.label, (_pieces()[0] > 0) & (np.arange(120) < 100))
    assert (lesion.pixels, lesion.box) == (128, (46, 36, 54, 66))
    assert (lesion.row, lesion.column) == pytest.approx((49.5, (0.9 * 39.5 + 0.6 * 61.5) / 1.5))
    assert lesion.calcifications == 0


def test_a_mark_asks_for_no_least_number_of_calcifications_but_a_sweep_does():
    settings = Localisation(threshold=0.5, min_area_mm2=1.0, min_calcifications=3)
    assert outline(_pieces(), settings, spacing_mm=(0.5, 0.5))[1] == ()
    assert len(outline_marked(_pieces(), settings, mark=(50.0, 50.0), spacing_mm=(0.5, 0.5))[1]) == 1


def test_nothing_within_reach_is_no_lesion():
    settings = Localisation(threshold=0.5, min_area_mm2=1.0)
    assert outline_marked(_pieces(), settings, mark=(5.0, 5.0), spacing_mm=(0.5, 0.5))[1] == ()


def test_several_tiles_at_once_give_what_one_gives(image, breast, make_bundle):
    ensemble = Ensemble(make_bundle(), CPU)
    assert ensemble.tiles_at_once == 1
    one = ensemble.sweep_input(image, breast)
    ensemble.tiles_at_once = 3
    np.testing.assert_allclose(ensemble.sweep_input(image, breast), one, atol=1e-6 if not ensemble._bfloat16 else 2e-2)
