import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from dcis_node.analyse.analysis_record import mask_from_png, mask_to_png, record_from_json, record_to_json
from dcis_node.mammogram.facts import Mark
from tests.analyse.values import record


def fields(of) -> dict:
    """All values but the mask, which has no equality of its own."""
    return {**vars(of), "prediction": {k: v for k, v in vars(of.prediction).items() if k != "mask"}}


@pytest.mark.parametrize(
    "kept", [record(0.625), record(None), record(0.5, mark=Mark("1.2.3", 1.5, 2.0, "seg", "1.2.9.1"))]
)
def test_a_record_comes_back_from_json_as_it_was(kept):
    values = json.loads(json.dumps(record_to_json(kept)))
    restored = record_from_json(values, mask_to_png(kept.prediction.mask))
    assert fields(restored) == fields(kept)
    assert restored.prediction.mask.dtype == np.bool_
    np.testing.assert_array_equal(restored.prediction.mask, kept.prediction.mask)


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_every_mask_survives_its_png(mask):
    png = mask_to_png(mask)
    assert (png is None) == (not mask.any())
    if png is not None:
        np.testing.assert_array_equal(mask_from_png(png, mask.shape), mask)


def test_equal_masks_give_equal_bytes_of_one_bit_a_pixel():
    mask = np.random.default_rng(1).random((800, 600)) < 0.5
    png = mask_to_png(mask)
    assert png == mask_to_png(mask.copy())
    assert len(png) < mask.size / 8 * 1.1


def test_a_mask_of_another_view_is_refused():
    kept = record()
    other = mask_to_png(np.ones((7, 4), np.bool_))
    with pytest.raises(ValueError, match="not the one of this view"):
        record_from_json(record_to_json(kept), other)


def test_an_outline_of_nothing_needs_no_file():
    kept = record(None)
    restored = record_from_json(record_to_json(kept), None)
    assert restored.prediction.mask.shape == (6, 4)
    assert not restored.prediction.mask.any()
    assert fields(restored) == fields(kept)
