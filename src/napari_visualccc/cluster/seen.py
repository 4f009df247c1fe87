"""Features that a pre-trained network, or a Fourier transform of the surroundings, sees at a pixel.

Both are features that *Quick* segmentation learns from. They are smooth: computed for every 4th and every 16th pixel
and enlarged.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Maps = NDArray[np.float32]

# How many there are, known before PyTorch is imported.
NETWORK, LATTICE = 64, 116
# Pixels of surroundings that a tile needs, and what its edges must be multiples of for the features of neighbouring
# tiles to lie on one grid.
REACH, GRID = 128, 16
# PyTorch takes all cores for one tile; two tiles at once would only get into each other's way.
_ONE_AT_A_TIME = Lock()


def network_sees(plane: Maps) -> Maps:
    """What the network of *Quick* sees around each pixel of a normalised plane (Y, X); shape (`NETWORK`, Y, X)."""
    from napari_visualccc.models.nn.context import LEVEL, ready_context

    with _ONE_AT_A_TIME:
        return _enlarged(ready_context()(plane), 2**LEVEL, plane.shape)


def lattice_seen(plane: Maps) -> Maps:
    """Power of the surroundings along rings of frequency, see `models.nn.spectra`; shape (`LATTICE`, Y, X)."""
    import torch

    from napari_visualccc.models.nn.spectra import STEP, spectra_of

    with _ONE_AT_A_TIME:
        return _enlarged(spectra_of(torch.from_numpy(np.ascontiguousarray(plane))[None, None]), STEP, plane.shape)


def _enlarged(maps: torch.Tensor, factor: int, shape: tuple[int, ...]) -> Maps:
    from torch.nn import functional as F

    large = F.interpolate(maps.float(), scale_factor=float(factor), mode="bilinear")
    return np.ascontiguousarray(large[0, :, : shape[0], : shape[1]].numpy())
