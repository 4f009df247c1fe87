"""The local power spectrum around each place: what tells crystals apart where grey values cannot.

In a lattice image two phases may differ in nothing but the distance and the directions of their fringes, under noise
that is stronger than they are. A convolutional network has to learn thousands of kernels before it can measure a
spacing to a few per cent; a Fourier transform of a window does so at once. Sliding windows give a map [1]_; of each
spectrum the mean and the largest value along rings of equal frequency are kept, so that a grain looks the same however
it is turned: the radius says the spacing, the largest value over the mean whether it is a lattice or noise.

Windows of 64 pixels of the image, of the image reduced by two and by four, measure fine and coarse spacings alike well:
periods from 2.8 to 64 pixels.

References
----------
.. [1] Vasudevan et al., sliding fast Fourier transform, Appl. Phys. Lett. 106 (2015) 091601, doi 10.1063/1.4914016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_visualccc.models.nn.tiled import reflect_to

# Level of the pyramid that the spectra belong to: one for every 16 pixels.
LEVEL = 4
STEP = 2**LEVEL
_WINDOW, _HIGHEST = 64, 23
# Lowest ring of each octave; what is slower is seen better in the next one, and the slowest is shading.
_LOWEST = (6, 4, 4)
CHANNELS = 2 * sum(_HIGHEST - lowest + 1 for lowest in _LOWEST)
# Half the width of a ring: neighbours overlap, so that no spacing falls between them.
_HALF_RING = 0.75
# Added to powers before their logarithm; white noise of the image's deviation has power 1.
_FAINT = 1e-3
# Images are mirrored to at least this edge: the widest windows reach 120 pixels beyond a place.
_LEAST = 128
# Rows of places that are looked at together, in images of any size.
_BAND = 32


def local_spectra(images: torch.Tensor) -> torch.Tensor:
    """Logarithm of the local power along rings of frequency, its mean and its largest value.

    Parameters
    ----------
    images
        Normalised, shape (N, 1, Y, X).

    Returns
    -------
    Tensor
        float32, shape (N, `CHANNELS`, Y/16, X/16), rounded up.
    """
    height, width = (-(-n // STEP) for n in images.shape[-2:])
    # Rounding to half precision would lose faint fringes.
    with torch.autocast(images.device.type, enabled=False):
        images = reflect_to(images.float(), max(_LEAST, height * STEP), max(_LEAST, width * STEP))
        found = torch.cat([rings(octave_power(images, octave), octave).flatten(1, 2) for octave in (0, 1, 2)], dim=1)
        return torch.log(found + _FAINT)[..., :height, :width]


def spectra_of(image: torch.Tensor) -> torch.Tensor:
    """`local_spectra` of an image (1, 1, Y, X) of any size, band by band."""
    rows = -(-image.shape[-2] // STEP)
    halo = _LEAST // STEP
    bands = []
    for top in range(0, rows, _BAND):
        first, stop = max(top - halo, 0), min(top + _BAND + halo, rows)
        band = local_spectra(image[:, :, first * STEP : stop * STEP])
        bands.append(band[:, :, top - first : top - first + _BAND])
    return torch.cat(bands, dim=2)


def octave_power(images: torch.Tensor, octave: int, step: int = STEP) -> torch.Tensor:
    """Power of windows of 64 pixels around places `step` pixels apart, of images reduced by 2^`octave`.

    Parameters
    ----------
    images
        Shape (N, 1, Y, X), sides multiples of `step`, not smaller than `_LEAST`.

    Returns
    -------
    Tensor
        Shape (N, 24, 47, Y/step, X/step): frequencies across 0 … 23 and down -23 … 23, in periods per window. Of white
        noise of variance 1 the mean is 1 (in the first octave).
    """
    across, down = _waves(str(images.device))
    step >>= octave
    reduced = F.avg_pool2d(images, 2**octave) if octave else images
    before = (_WINDOW - step) // 2
    reduced = F.pad(reduced, (before, _WINDOW - step - before) * 2, mode="reflect")
    rows = F.conv2d(reduced, across, stride=(1, step))
    count, _, height, width = rows.shape
    # A wave across, then a wave down: real and imaginary part are the two channels of both.
    both = F.conv2d(rows.reshape(count * (_HIGHEST + 1), 2, height, width), down, stride=(step, 1))
    parts = both.reshape(count, _HIGHEST + 1, 2 * _HIGHEST + 1, 2, *both.shape[-2:])
    return parts.square().sum(dim=3) / _hann().square().sum() ** 2


def rings(power: torch.Tensor, octave: int) -> torch.Tensor:
    """Mean and largest power along the rings of an octave, from the lowest; shape (N, rings, 2, Y, X)."""
    flat = power.flatten(1, 2)
    found = []
    for chosen in _members(_LOWEST[octave], str(power.device)):
        ring = flat[:, chosen]
        found.append(torch.stack([ring.mean(dim=1), ring.amax(dim=1)], dim=1))
    return torch.stack(found, dim=1)


def _hann() -> torch.Tensor:
    """Periodic Hann window: a constant leaks into the lowest frequency only."""
    return torch.hann_window(_WINDOW, dtype=torch.float64)


@lru_cache(maxsize=4)
def _waves(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Windowed complex waves as kernels of convolutions, across (48, 1, 1, 64) and down (94, 2, 64, 1)."""
    places = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW / 2

    def wave(frequencies: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angle = 2 * math.pi / _WINDOW * frequencies[:, None] * places
        return torch.cos(angle) * _hann(), -torch.sin(angle) * _hann()

    real, imaginary = wave(torch.arange(_HIGHEST + 1))
    across = torch.stack([real, imaginary], dim=1).reshape(-1, 1, 1, _WINDOW)
    real, imaginary = wave(torch.arange(-_HIGHEST, _HIGHEST + 1))
    down = torch.stack([torch.stack([real, -imaginary], 1), torch.stack([imaginary, real], 1)], 1)
    return across.float().to(device), down.reshape(-1, 2, _WINDOW, 1).float().to(device)


@lru_cache(maxsize=16)
def _members(lowest: int, device: str) -> tuple[torch.Tensor, ...]:
    """Indices of the frequencies on each ring, in the order of `octave_power`."""
    across, down = torch.arange(_HIGHEST + 1), torch.arange(-_HIGHEST, _HIGHEST + 1)
    radius = (across[:, None] ** 2 + down[None] ** 2).double().sqrt().flatten()
    return tuple(
        torch.nonzero((radius - ring).abs() <= _HALF_RING)[:, 0].to(device)
        for ring in range(lowest, _HIGHEST + 1)
    )  # fmt: skip


class SpectrumLevel(nn.Module):
    """What the local power spectrum adds to a level of an encoder that has a sixteenth of the image's resolution.

    Parameters
    ----------
    channels
        Of the level.
    """

    # Channels of what is seen in the spectra.
    seen = 64

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.standard = nn.BatchNorm2d(CHANNELS, affine=False)
        self.look = nn.Sequential(
            nn.Conv2d(CHANNELS, self.seen, 1, bias=False), nn.BatchNorm2d(self.seen), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.add = nn.Conv2d(self.seen, channels, 1)

    def forward(self, images: torch.Tensor, level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The level of images (N, 1, Y, X) with what is added, and what was seen, (N, `seen`, Y/16, X/16)."""
        seen = self.look(self.standard(local_spectra(images).to(self.add.weight.dtype)))
        return level + self.add(seen), seen


# A place shows a lattice if power along a ring rises so far above that of rings three steps away on either side: edges
# and texture fall off smoothly. Of lattice images 18 % of the places and more do, of micrographs of alloys, coatings
# and polymers about 1 % at most, of pearlite's lamellae, which are periodic, 4 %; of 41 printed figures of particles
# four were taken for lattices.
_PROMINENCE, _APART, _SHARE = 6.0, 3, 0.05
_LOOKED_AT, _MOST_EDGE, _MOST_IMAGES = 64, 1024, 8


def shows_lattice(images: Sequence[NDArray[np.float32]]) -> bool:
    """Whether lattice fringes are seen in at least half of the images; of many, some are looked at.

    Parameters
    ----------
    images
        Normalised, shape (Y, X), any sizes.
    """
    some = images[:: max(1, -(-len(images) // _MOST_IMAGES))]
    return mostly_lattice([lattice_share(image) for image in some])


def mostly_lattice(shares: Sequence[float]) -> bool:
    """Whether at least half of the images, of which `lattice_share` was asked, show a lattice."""
    return bool(shares) and 2 * sum(share >= _SHARE for share in shares) >= len(shares)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def lattice_share(image: NDArray[np.float32]) -> float:
    """Share of the places, 64 pixels apart, around which a lattice is seen, in the octave that shows it best."""
    top, left = (max(0, (n - _MOST_EDGE) // 2) for n in image.shape)
    part = np.ascontiguousarray(image[top : top + _MOST_EDGE, left : left + _MOST_EDGE])
    if min(part.shape) < _LOOKED_AT:
        return 0.0
    values = torch.from_numpy(part)[None, None].float()
    height, width = (max(_LEAST, n // _LOOKED_AT * _LOOKED_AT) for n in part.shape)
    values = reflect_to(values[..., :height, :width], height, width)
    shares = []
    for octave in range(len(_LOWEST)):
        largest = rings(octave_power(values, octave, _LOOKED_AT), octave)[0, :, 1] + _FAINT
        beside = torch.maximum(largest[: -2 * _APART], largest[2 * _APART :])
        prominent = (largest[_APART:-_APART] / beside).amax(dim=0) > _PROMINENCE
        shares.append(float(prominent.double().mean()))
    return max(shares)
