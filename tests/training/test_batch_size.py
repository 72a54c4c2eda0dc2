import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.errors import TrainingError
from dcis_node.model.network import NetworkConfig
from training.batch_size import fits_in_memory, largest_that_runs, micro_batch, parts, saved_bytes_per_pixel
from training.recipes import load_recipe


def test_the_memory_of_a_paper_crop_is_as_counted_from_its_layers():
    # method: "about 7 GB saved for backward per image in fp32" at width 64, so a 16th of the channels keeps a 16th.
    small = saved_bytes_per_pixel(NetworkConfig(width=4)) * 1024**2
    assert small * 16 == pytest.approx(7e9, rel=0.15)


def test_a_cpu_takes_what_half_its_memory_bears():
    recipe = load_recipe("demo")
    each = saved_bytes_per_pixel(recipe.network) * 256**2
    assert fits_in_memory(recipe, most=16, memory_bytes=int(each * 6.5)) == 3
    assert fits_in_memory(recipe, most=2, memory_bytes=int(each * 100)) == 2
    assert fits_in_memory(recipe, most=16, memory_bytes=1) == 1


def runs_up_to(limit: int, tried: list[int]):
    def attempt(size: int) -> None:
        tried.append(size)
        if size > limit:
            raise torch.OutOfMemoryError

    return attempt


@pytest.mark.parametrize(("limit", "most", "fits"), [(5, 16, 4), (100, 12, 12), (8, 12, 8), (1, 16, 1), (3, 1, 1)])
def test_a_gpu_takes_the_largest_that_runs(limit: int, most: int, fits: int):
    tried: list[int] = []
    assert largest_that_runs(runs_up_to(limit, tried), most=most) == fits
    assert max(tried) <= most


def test_a_device_too_small_for_one_crop_is_told():
    with pytest.raises(TrainingError, match="not even one crop"):
        largest_that_runs(runs_up_to(0, []), most=4)


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 8))
def test_micro_batches_fit_and_cover_the_batch(batch: int, fits: int, world: int):
    micro = micro_batch(batch, fits=fits, world=world)
    cut = parts(batch, micro)
    assert 1 <= micro <= fits
    assert [place for part in cut for place in range(batch)[part]] == list(range(batch))
    # No rank waits for more rounds than the memory makes needful.
    assert -(-len(cut) // world) == -(-batch // (fits * world))
