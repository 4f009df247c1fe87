"""Kernels in 8 bits, so that the weights that come with the package stay small.

A kernel is stored as two tensors: ``NAME``, int8, and ``NAME.scale``, float16, one for each output channel, whose
product it is. Half a step of a channel is at most 0.45 % of its largest weight. Scales have four significant bits, so
that seven bits times a scale is a number of half precision: models that take these weights over stay small too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Said in the card of a file that holds such kernels.
NOTE = "kernels of more than 10 000 numbers in 8 bits, one scale per output channel"
_LARGE = 10_000
_MOST = 127
# Significant bits of a scale, and the smallest one of so many bits in half precision.
_BITS = 4
_LEAST_SCALE = 2.0**-20
_SCALE = ".scale"


def compact(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Store large kernels in 8 bits and all other floating-point numbers in half precision.

    Parameters
    ----------
    tensors
        Weights by name; output channels are the first axis of a kernel.

    Returns
    -------
    dict
        What to write. `joined` gives kernels back to half a step of their channel.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, values in tensors.items():
        if not np.issubdtype(values.dtype, np.floating):
            found[name] = values
        elif values.ndim > 1 and values.size > _LARGE:
            found[name], found[name + _SCALE] = _in_eight_bits(values)
        else:
            found[name] = values.astype(np.float16)
    return found


def joined(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Tensors of a file, those stored in 8 bits as float16; all others as they are."""
    found = dict(tensors)
    for name, values in tensors.items():
        scale = tensors.get(name + _SCALE)
        if scale is not None and _belong_together(values, scale):
            found[name] = (values * _per_channel(scale, values.ndim)).astype(np.float16)
            del found[name + _SCALE]
    return found


def _in_eight_bits(values: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    values = values.astype(np.float32)
    steps = np.abs(values).reshape(len(values), -1).max(axis=1) / _MOST
    mantissa, exponent = np.frexp(np.maximum(steps, _LEAST_SCALE))
    # Rounded down, the largest weight would lie beyond 127 steps.
    scale = np.ldexp(np.ceil(mantissa * 2**_BITS) / 2**_BITS, exponent).astype(np.float16)
    return np.rint(values / _per_channel(scale, values.ndim)).astype(np.int8), scale


def _belong_together(values: NDArray[Any], scale: NDArray[Any]) -> bool:
    kinds = values.dtype == np.int8 and scale.dtype == np.float16
    return bool(kinds and values.ndim > 1 and scale.shape == values.shape[:1])


def _per_channel(scale: NDArray[Any], dimensions: int) -> NDArray[np.float32]:
    return scale.astype(np.float32).reshape(-1, *[1] * (dimensions - 1))
