"""What an error says of the device that computes: too little memory, or a fault that ends all computing on it.

Pure. Torch says most of it in words only; they are looked at, never passed on.
"""

import torch

# After any of these the process can compute nothing on the device any more: its context is spoilt (CUDA programming
# guide, 15.1: "sticky" errors), or the device is gone from the bus.
_FATAL = (
    "cuda error",
    "cudnn error",
    "cublas",
    "cudnn_status",
    "device-side assert",
    "device lost",
    "no cuda gpus are available",
    "unable to find a valid cudnn algorithm",
    "nvml",
)
_SHORT_OF_MEMORY = ("out of memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed")


def is_short_of_memory(error: BaseException) -> bool:
    """Tell whether a device had too little memory; it can be used again, for less at once."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _SHORT_OF_MEMORY)


def is_fatal(error: BaseException) -> bool:
    """Tell whether the process cannot compute on its device any more."""
    if is_short_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.AcceleratorError) or any(word in str(error).lower() for word in _FATAL)
