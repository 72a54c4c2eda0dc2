from dataclasses import replace

import numpy as np
import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.preprocess import average, highest, input_grid, prepare_view
from dcis_node.model.tiles import crop_origin, cut
from tests.training.conftest import TRANSFORMS
from training.cohort import CohortView
from training.crops import CropStore, CropWriter, open_store
from training.plain import plain_crop
from training.recipes import load_recipe

WHOLE = (300, 220)
STORED = np.random.default_rng(0).integers(0, 4096, WHOLE).astype(np.uint16)
LABELS = (np.random.default_rng(1).random(WHOLE) > 0.99).astype(np.uint8) * 2


def region_store(folder, *, centre: tuple[float, float], rows: slice, columns: slice) -> CropStore:
    with CropWriter(folder) as writer:
        writer.add(
            CohortView("p", "L", "CC", 1, upstaged=False, image="image-00007"),
            STORED[rows, columns],
            LABELS[rows, columns],
            transforms=TRANSFORMS,
            spacing_mm=0.0940909,
            centre=(centre[0] - rows.start, centre[1] - columns.start),
            whole=WHOLE,
            origin=(rows.start, columns.start),
        )
    return open_store(folder)


def recipe_of(**changes):
    recipe = load_recipe("quick")
    settings = {"input_spacing_mm": 0.14, "crop_px": 40, "tile_px": 40, "overlap_px": 8, **changes}
    return replace(recipe, preprocessing=replace(recipe.preprocessing, **settings))


@pytest.mark.parametrize("border", ["inside", "zero", "reflect"])
@pytest.mark.parametrize("rule", ["first", "mean"])
@pytest.mark.parametrize("centre", [(3.0, 5.5), (150.5, 100.0), (299.0, 218.0)])
def test_a_region_gives_what_the_whole_view_gives(tmp_path, border, rule, centre):
    recipe = recipe_of(border=border, display_rule=rule)
    rows, columns = (
        slice(max(0, round(c) - 67), min(length, round(c) + 67)) for c, length in zip(centre, WHOLE, strict=True)
    )
    store = region_store(tmp_path, centre=centre, rows=rows, columns=columns)
    grid = input_grid(WHOLE, (0.0940909, 0.0940909), recipe.preprocessing)
    seen = average(prepare_view(STORED, TRANSFORMS, recipe.preprocessing), grid.shape)
    origin = crop_origin(grid.to_input(centre), 40, grid.shape, border=border)
    image, labels = plain_crop(store, 0, recipe=recipe)
    np.testing.assert_array_equal(image, cut(seen, origin, 40, border=border))
    np.testing.assert_array_equal(labels, cut(highest(LABELS, grid.shape), origin, 40))


def test_a_view_smaller_than_the_crop_is_padded_with_black(tmp_path):
    store = region_store(tmp_path, centre=(150.0, 100.0), rows=slice(0, 300), columns=slice(0, 220))
    image, labels = plain_crop(store, 0, recipe=recipe_of(), size_px=180)
    assert image.shape == labels.shape == (180, 180)
    assert image[:, 148:].max() == 0.0
    grid = input_grid(WHOLE, (0.0940909, 0.0940909), recipe_of().preprocessing)
    assert grid.shape[1] == 148
    seen = average(prepare_view(STORED, TRANSFORMS, recipe_of().preprocessing), grid.shape)
    top = crop_origin(grid.to_input((150.0, 100.0)), 180, grid.shape, border="inside")[0]
    np.testing.assert_array_equal(image[:, :148], seen[top : top + 180])


def test_a_region_cut_for_a_smaller_crop_is_refused(tmp_path):
    store = region_store(tmp_path, centre=(150.0, 100.0), rows=slice(120, 180), columns=slice(70, 130))
    with pytest.raises(TrainingError, match=r"image-00007: .* too small for a crop of 64"):
        plain_crop(store, 0, recipe=recipe_of(), size_px=64)
