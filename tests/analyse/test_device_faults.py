"""What torch says when a device fails, told apart."""

import pytest
import torch

from dcis_node.analyse.device_faults import is_fatal, is_short_of_memory


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_too_little_memory_can_be_met_with_less_at_once(error):
    assert is_short_of_memory(error)
    assert not is_fatal(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: the launch timed out and was terminated"),
        RuntimeError("CUDA error: no CUDA-capable device is detected"),
        torch.AcceleratorError("anything"),
    ],
)
def test_what_spoils_the_context_ends_the_computing(error):
    assert is_fatal(error)
    assert not is_short_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("CUDA error"), MemoryError()])
def test_other_errors_are_none_of_the_device(error):
    assert not is_fatal(error)
    assert not is_short_of_memory(error)
