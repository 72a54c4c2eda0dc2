import numpy as np
import pytest

from dcis_node.errors import TrainingError
from dcis_node.mammogram.curves import FullRange, Table, Window
from dcis_node.mammogram.display import DisplayTransform
from dcis_node.model.preprocess import Preprocessing, input_grid, prepare_view
from tests.training.conftest import TRANSFORMS
from training.cohort import CohortView
from training.crops import CropStore, CropWriter, display_table, join_stores, open_store


def shown(store: CropStore, index: int, preprocessing: Preprocessing, *, display: int | None = None) -> np.ndarray:
    return store.table(index, preprocessing, display=display)[store.stored(index)]


@pytest.mark.parametrize("rule", ["first", "mean"])
def test_training_and_node_see_one_array(store, rule):
    """The golden test: the store's look-up is `prepare_view`, bit for bit."""
    preprocessing = Preprocessing(display_rule=rule)
    for index in (0, 5, 18):
        transforms = TRANSFORMS[: store.displays(index)]
        expected = prepare_view(np.asarray(store.stored(index)), transforms, preprocessing)
        np.testing.assert_allclose(shown(store, index, preprocessing), expected, rtol=1e-6)


def test_a_drawn_display_is_that_of_prepare_view(store):
    for display in range(2):
        drawn = shown(store, 3, Preprocessing(), display=display)
        expected = prepare_view(np.asarray(store.stored(3)), TRANSFORMS, Preprocessing(), transform_index=display)
        np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    "transform",
    [
        DisplayTransform("window", Window(center=1500.0, width=900.0), inverted=True),
        DisplayTransform("sigmoid", Window(center=1500.0, width=900.0, function="SIGMOID")),
        DisplayTransform("full", FullRange()),
        DisplayTransform("padded", Window(center=1500.0, width=900.0), padding=(0, 100)),
    ],
)
def test_any_display_transform_is_held_as_a_table(transform):
    stored = np.random.default_rng(0).integers(50, 4000, (30, 30)).astype(np.uint16)
    np.testing.assert_allclose(display_table(transform, stored)[stored], transform.apply(stored), atol=1e-6)


def test_a_region_is_kept_as_it_was(tmp_path):
    rng = np.random.default_rng(0)
    regions = [rng.integers(0, 16384, (20 + i, 30)).astype(np.uint16) for i in range(3)]
    with CropWriter(tmp_path) as writer:
        for i, stored in enumerate(regions):
            view = CohortView(f"p{i}", "R", "MLO", 2, upstaged=True, vendor="v")
            labels = (stored % 3).astype(np.uint8)
            writer.add(view, stored, labels, transforms=TRANSFORMS, spacing_mm=0.05, centre=(3.0, 4.5))
    store = open_store(tmp_path)
    for i, stored in enumerate(regions):
        np.testing.assert_array_equal(store.stored(i), stored)
        np.testing.assert_array_equal(store.labels(i), stored % 3)
        assert store.regions[i].view == CohortView(f"p{i}", "R", "MLO", 2, upstaged=True, vendor="v")
        assert store.regions[i].centre == (3.0, 4.5)
    assert len(store.tables) == 2, "regions of one vendor share their tables"


def fill_until_the_power_goes(folder, store):
    with CropWriter(folder) as writer:
        view = store.regions[0].view
        writer.add(view, store.stored(0), store.labels(0), transforms=TRANSFORMS, spacing_mm=0.07)
        raise RuntimeError("power cut")


def test_a_store_that_was_not_finished_is_refused(tmp_path, store):
    with pytest.raises(RuntimeError, match="power cut"):
        fill_until_the_power_goes(tmp_path / "half", store)
    with pytest.raises(TrainingError, match="no finished crop store"):
        open_store(tmp_path / "half")


def test_a_table_is_used_for_its_values_only():
    lut = DisplayTransform("voi_lut_1", Table(500, np.arange(0, 4000, 4), 4095))
    stored = np.arange(3000, dtype=np.uint16).reshape(50, 60)
    np.testing.assert_allclose(display_table(lut, stored)[stored], lut.apply(stored), atol=1e-6)


def test_joined_stores_hold_all_regions_and_each_table_once(tmp_path, store):
    lut = DisplayTransform("voi_lut_1", Table(500, np.arange(0, 4000, 4), 4095))
    stored = np.full((4, 6), 9000, np.uint16)
    with CropWriter(tmp_path / "other") as writer:
        view = CohortView("q", "R", "CC", 2, upstaged=False)
        writer.add(view, stored, stored % 3, transforms=(lut,), spacing_mm=0.05)
        writer.add(view, stored // 5, stored % 2, transforms=TRANSFORMS, spacing_mm=0.05)
    other = open_store(tmp_path / "other")
    joined = join_stores(store, other, store)
    assert len(joined.regions) == 2 * len(store.regions) + 2
    count = len(store.regions)
    for index, source in ((3, store), (count, other), (count + 1, other), (count + 2 + 3, store)):
        place = index if index < count else index - count if index < count + 2 else index - count - 2
        np.testing.assert_array_equal(joined.stored(index), source.stored(place))
        np.testing.assert_array_equal(joined.labels(index), source.labels(place))
        expected = shown(source, place, Preprocessing())
        np.testing.assert_array_equal(shown(joined, index, Preprocessing()), expected)
    # Two of the first store (its negatives use the first alone), the long table, and the pair at its new length.
    assert len(joined.tables) == len({table.tobytes() for table in joined.tables}) + 1


def test_a_store_that_was_cut_short_is_refused(tmp_path, store):
    with CropWriter(tmp_path / "short") as writer:
        view = store.regions[0].view
        writer.add(view, store.stored(0), store.labels(0), transforms=TRANSFORMS, spacing_mm=0.07)
    raw = tmp_path / "short" / "stored.raw"
    raw.write_bytes(raw.read_bytes()[:-2])
    with pytest.raises(TrainingError, match="damaged"):
        open_store(tmp_path / "short")


def test_a_region_lies_on_the_grid_of_its_view(tmp_path, store):
    with CropWriter(tmp_path / "placed") as writer:
        view = store.regions[0].view
        place = {"whole": (3062, 2394), "origin": (500, 700), "centre": (10.0, 12.5)}
        writer.add(view, store.stored(0), store.labels(0), transforms=TRANSFORMS, spacing_mm=(0.09, 0.1), **place)
    region = open_store(tmp_path / "placed").regions[0]
    assert region.middle == (510.0, 712.5)
    grid = region.grid(Preprocessing(input_spacing_mm=0.14))
    assert grid == input_grid((3062, 2394), (0.09, 0.1), Preprocessing(input_spacing_mm=0.14))
