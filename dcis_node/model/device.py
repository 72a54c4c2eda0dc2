"""Which processor computes, and in which arithmetic."""

from typing import Literal

import torch

Device = Literal["auto", "cpu", "cuda"]


def choose_device(name: str = "auto") -> torch.device:
    """Give the device of that name; `auto` is CUDA where there is one, else the CPU.

    Raises
    ------
    ValueError
        If the name is no device torch knows, or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        msg = f"device must be auto, cpu, cuda or cuda:N, got {name!r}"
        raise ValueError(msg) from error
    if device.type not in {"cpu", "cuda"}:
        msg = f"device must be auto, cpu, cuda or cuda:N, got {name!r}"
        raise ValueError(msg)
    if device.type == "cuda" and not torch.cuda.is_available():
        msg = f"device {name!r} was asked for, but this machine offers no CUDA device"
        raise ValueError(msg)
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 is native there: on CUDA by torch's word, on a CPU with AVX512-BF16 or AMX.

    An emulated bfloat16 is slower than float32, so a CPU without either keeps float32. Measured, one 1024 crop,
    width 16, two cores with AMX: channels_last float32 1.28 s, bfloat16 0.59 s (design, "Choices already made").
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Torch publishes these two questions under private names only; where they are gone, float32 is right but slower.
    questions = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(bool(question()) for question in questions if question is not None)
