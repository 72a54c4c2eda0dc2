import pytest
import torch

from dcis_node.model.device import choose_device, has_fast_bfloat16


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device().type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "mps", "cpu:", ""])
def test_a_device_that_is_none_is_refused_by_name(name):
    with pytest.raises(ValueError, match="device must be"):
        choose_device(name)


def test_cuda_on_a_machine_without_it_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA"):
        choose_device("cuda")


@pytest.mark.parametrize(("avx", "amx", "fast"), [(True, False, True), (False, True, True), (False, False, False)])
def test_bfloat16_is_used_on_a_cpu_that_has_it(monkeypatch, avx, amx, fast):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert has_fast_bfloat16(torch.device("cpu")) is fast
