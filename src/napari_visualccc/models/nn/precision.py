"""Which number format and memory layout this machine computes convolutions fastest in: measured once, not assumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from napari_visualccc.core.runtime import Device


@dataclass(frozen=True)
class Precision:
    """Number format and layout to compute in.

    Attributes
    ----------
    dtype
        ``torch.float32``, ``torch.bfloat16`` or ``torch.float16``.
    channels_last
        Whether images lie in memory pixel by pixel.
    """

    dtype: torch.dtype
    channels_last: bool

    @property
    def layout(self) -> torch.memory_format:
        """Memory format for tensors of four axes."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def name(self) -> str:
        """Name for records."""
        return str(self.dtype).removeprefix("torch.") + (", channels last" if self.channels_last else "")


PLAIN = Precision(torch.float32, False)
# What oneDNN and cuDNN compute in: on two cores 0.81 to 0.88 of the time that `PLAIN` takes.
_USUAL = Precision(torch.float32, True)
# What is not faster by a tenth is left alone: near ties would be decided anew in each process, in the last bits, too.
_CLEARLY = 0.9
_ROUNDS = 8


def fastest_precision(device: Device | str, *, exact: bool = False) -> Precision:
    """Try a small convolution block in each format; one that is not usual must win by a tenth to be taken.

    bfloat16 keeps float32's range, so training needs no loss scaling. On CPUs without AMX or AVX512-BF16 it is
    emulated and several times slower than float32, hence the measurement (about 0.2 s, once per process).

    Parameters
    ----------
    device
        Where to compute.
    exact
        Whether only float32 will do.
    """
    device = Device(device)
    if device is Device.MPS:
        return PLAIN
    seconds = _seconds(device)
    half = [candidate for candidate in seconds if candidate.dtype != torch.float32]
    limit = _CLEARLY * min(seconds[PLAIN], seconds[_USUAL])
    if not exact and half and seconds[half[0]] < limit:
        return half[0]
    return PLAIN if seconds[PLAIN] < _CLEARLY * seconds[_USUAL] else _USUAL


@lru_cache(maxsize=4)
def _seconds(device: Device) -> dict[Precision, float]:
    candidates = [PLAIN, _USUAL, Precision(torch.bfloat16, True)]
    if device is Device.CUDA and not torch.cuda.is_bf16_supported(including_emulation=False):
        candidates = candidates[:2]
    return _measure(candidates, device)


def _measure(candidates: list[Precision], device: Device) -> dict[Precision, float]:
    """Shortest time of each; they take turns, so that a moment of load from elsewhere does not decide."""
    best = dict.fromkeys(candidates, float("inf"))
    with torch.inference_mode():
        trials = {candidate: _trial(candidate, device) for candidate in candidates}
        for _ in range(_ROUNDS):
            for candidate, trial in trials.items():
                start = time.perf_counter()
                trial()
                if device is Device.CUDA:
                    torch.cuda.synchronize()
                best[candidate] = min(best[candidate], time.perf_counter() - start)
    return best


def _trial(precision: Precision, device: Device) -> Callable[[], torch.Tensor]:
    block = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1))
    block = block.to(str(device), precision.dtype).to(memory_format=precision.layout)
    values = torch.zeros(2, 64, 128, 128, device=str(device), dtype=precision.dtype)
    values = values.contiguous(memory_format=precision.layout)
    return lambda: block(values)
