from dataclasses import replace

import numpy as np
import pytest

from dcis_node.errors import TrainingError
from training import crop_store
from training.augment import Augmentation
from training.cohort import Cohort, CohortView, write_cohort
from training.crop_store import build_store, region_side_mm
from training.images import load_view
from training.images_phantom import phantom_rows
from training.loaded import LoadedRegion
from training.plain import plain_crop
from training.recipe import Recipe
from training.recipes import load_recipe

SIZE = (640, 512)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("cohort")
    rows = [
        row
        for number, vendor in enumerate(("hologic", "fuji", "ge"))
        for row in phantom_rows(70 + number, patient=f"p{number}", vendor=vendor, size=SIZE, first_image=4 * number)
    ]
    return write_cohort(folder, images=folder, synthetic=True, views=rows)


@pytest.fixture
def recipe() -> Recipe:
    recipe = load_recipe("quick")
    preprocessing = replace(recipe.preprocessing, input_spacing_mm=0.14, crop_px=64, tile_px=64, overlap_px=8)
    augmentation = replace(recipe.augmentation, shift_mm=2.0)
    stages = (replace(recipe.stages[0], negative_share=0.2),)
    return replace(
        recipe, preprocessing=preprocessing, augmentation=augmentation, train_crop_px=64, stages=stages, pretraining=()
    )


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """The rows that were loaded, in order."""
    seen: list[str] = []
    real = crop_store.load_region

    def load(cohort, row, **more):
        seen.append(row.image)
        return real(cohort, row, **more)

    monkeypatch.setattr(crop_store, "load_region", load)
    return seen


def test_a_region_is_the_same_place_of_its_view(cohort, recipe, tmp_path):
    store = build_store(cohort, cohort.views, tmp_path, recipe=recipe, seed=1)
    for index, region in enumerate(store.regions):
        view = load_view(cohort, region.view)
        place = tuple(
            slice(start, start + length)
            for start, length in zip(region.origin, (region.rows, region.columns), strict=True)
        )
        np.testing.assert_array_equal(store.stored(index), view.stored[place])
        np.testing.assert_array_equal(store.labels(index), view.labels[place])
        assert region.whole == view.stored.shape == SIZE


def test_there_is_a_region_for_each_lesion_and_some_without(cohort, recipe, tmp_path):
    store = build_store(cohort, cohort.views, tmp_path, recipe=recipe, seed=1)
    lesions = [region.view.image for region in store.regions if region.view.lesion]
    assert lesions == [row.image for row in cohort.views if row.lesion]
    assert [region.view.patient for region in store.regions if not region.view.lesion] == ["p0", "p1", "p2"]
    plain = replace(recipe, stages=(replace(recipe.stages[0], negative_share=0.0),))
    assert all(r.view.lesion for r in build_store(cohort, cohort.views, tmp_path, recipe=plain, seed=1).regions)
    more = build_store(cohort, cohort.views, tmp_path, recipe=recipe, negatives_per_patient=3, seed=1)
    assert sum(not region.view.lesion for region in more.regions) == 9


def test_a_store_that_was_built_is_not_built_again(cohort, recipe, tmp_path, loads):
    first = build_store(cohort, cohort.views, tmp_path, recipe=recipe, seed=1)
    assert len(loads) == 9
    again = build_store(cohort, cohort.views, tmp_path, recipe=recipe, seed=1)
    assert len(loads) == 9
    assert again.regions == first.regions
    np.testing.assert_array_equal(again.stored(4), first.stored(4))


def test_a_killed_build_goes_on_where_it_was(cohort, recipe, tmp_path, monkeypatch):
    whole = build_store(cohort, cohort.views, tmp_path / "whole", recipe=recipe, seed=1)
    real, loaded = crop_store.load_region, []

    def die(cohort, row, **more):
        loaded.append(row.image)
        if len(loaded) == 5:
            raise KeyboardInterrupt
        return real(cohort, row, **more)

    monkeypatch.setattr(crop_store, "load_region", die)
    with pytest.raises(KeyboardInterrupt):
        build_store(cohort, cohort.views, tmp_path / "killed", recipe=recipe, seed=1)
    assert len(list((tmp_path / "killed").iterdir())) == 1, "only whole shards stay"
    resumed = build_store(cohort, cohort.views, tmp_path / "killed", recipe=recipe, seed=1)
    assert len(loaded) == 5 + 6, "the first patient's three regions are not cut again"
    assert resumed.regions == whole.regions
    for index in range(len(whole.regions)):
        np.testing.assert_array_equal(resumed.stored(index), whole.stored(index))


def test_a_shard_that_was_cut_short_is_cut_again(cohort, recipe, tmp_path, loads):
    build_store(cohort, cohort.views, tmp_path, recipe=recipe, seed=1)
    raw = next(tmp_path.glob("*/stored.raw"))
    raw.write_bytes(raw.read_bytes()[:1000])
    build_store(cohort, cohort.views, tmp_path, recipe=recipe, seed=1)
    assert len(loads) == 9 + 3


@pytest.mark.parametrize(
    "change",
    [
        lambda cohort, recipe: (replace(cohort, sha256="0" * 64), recipe, 1),
        lambda cohort, recipe: (cohort, replace(recipe, train_crop_px=96), 1),
        lambda cohort, recipe: (cohort, replace(recipe, augmentation=Augmentation(shift_mm=3.0)), 1),
        lambda cohort, recipe: (cohort, recipe, 2),
    ],
    ids=["another cohort", "another crop", "another shift", "another seed"],
)
def test_nothing_is_taken_for_what_it_is_not(cohort, recipe, tmp_path, loads, change):
    build_store(cohort, cohort.views[:4], tmp_path, recipe=recipe, seed=1)
    cohort, recipe, seed = change(cohort, recipe)
    build_store(cohort, cohort.views[:4], tmp_path, recipe=recipe, seed=seed)
    assert len(loads) == 6


def test_another_choice_of_rows_takes_the_shards_that_are_the_same(cohort, recipe, tmp_path, loads):
    build_store(cohort, cohort.views[:8], tmp_path, recipe=recipe, seed=1)
    store = build_store(cohort, cohort.views[4:], tmp_path, recipe=recipe, seed=1)
    assert len(loads) == 9
    assert {region.view.patient for region in store.regions} == {"p1", "p2"}


def test_two_processes_give_the_same_store(cohort, recipe, tmp_path):
    told: list[tuple[int, int]] = []
    one = build_store(cohort, cohort.views, tmp_path / "one", recipe=recipe, seed=1)
    two = build_store(
        cohort, cohort.views, tmp_path / "two", recipe=recipe, seed=1, processes=2, progress=lambda *n: told.append(n)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert one.regions == two.regions
    for index in range(len(one.regions)):
        np.testing.assert_array_equal(one.stored(index), two.stored(index))


def test_a_mirrored_view_is_turned(cohort, recipe, tmp_path, monkeypatch):
    row = next(row for row in cohort.views if row.lesion)
    real = crop_store.load_region
    straight = build_store(cohort, [row], tmp_path / "straight", recipe=recipe, seed=1)

    def mirrored(cohort, row, **more):
        region: LoadedRegion = real(cohort, row, **more)
        columns = region.stored.shape[1]
        return replace(
            region,
            stored=region.stored[:, ::-1],
            labels=region.labels[:, ::-1],
            mirrored=True,
            centre=(region.centre[0], columns - 1 - region.centre[1]),
            origin=(region.origin[0], row.columns - columns - region.origin[1]),
        )

    monkeypatch.setattr(crop_store, "load_region", mirrored)
    turned = build_store(cohort, [row], tmp_path / "turned", recipe=recipe, seed=1)
    assert turned.regions == straight.regions
    for one, two in zip(plain_crop(turned, 0, recipe=recipe), plain_crop(straight, 0, recipe=recipe), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_papers_region_leaves_the_whole_shift_free():
    paper = load_recipe("paper")
    assert region_side_mm(paper, (0.07, 0.07)) == pytest.approx((1024 + 2 * 150 + 4) * 0.07)
    fine = replace(paper, preprocessing=replace(paper.preprocessing, crop_px=2048))
    assert region_side_mm(fine, (0.07, 0.07)) == pytest.approx((2048 + 4) * 0.07), "the node's crop fits, too"


def test_rows_without_a_size_are_refused_and_lesions_without_a_mask_left_out(cohort, recipe, tmp_path):
    with pytest.raises(TrainingError, match="image-99: the row has no size"):
        build_store(
            cohort, [CohortView("p", "L", "CC", 1, upstaged=False, image="image-99")], tmp_path, recipe=recipe, seed=1
        )
    stripped = next(row.image for row in cohort.views if row.lesion)
    bare = [replace(row, mask="") if row.image == stripped else row for row in cohort.views[:4]]
    lesions = [row for row in bare if row.mask]
    assert len(lesions) == 1
    store = build_store(cohort, bare, tmp_path, recipe=recipe, negatives_per_patient=0, seed=1)
    assert [region.view.image for region in store.regions] == [row.image for row in lesions]
