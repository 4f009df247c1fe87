"""Per-pixel features on a pyramid of scales, for a small network that classifies pixels without enlarging them.

Features of a coarse scale are smooth: computing them at full resolution, as pixel classifiers usually do, repeats the
same work 4, 16, 64 times. Here each level of a Gaussian pyramid keeps its own features. The first layer of the
classifier is linear, and linear maps commute with enlarging, so its sums are formed level by level and only they are
brought up, from the coarsest level to the finest::

    level 2 ─ features ─ W₂ ─┐ ×2
    level 1 ─ features ─ W₁ ─⊕─┐ ×2
    level 0 ─ features ─ W₀ ───⊕─ ReLU ─ V ─ class scores
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_visualccc.models.nn.precision import fastest_precision

# Of each level: grey value, blur, gradient, larger and smaller eigenvalue of the Hessian.
_OWN = 5
# From the level below, as they are smooth: eigenvalues of the structure tensor, local deviation.
_FROM_BELOW = 3
_RADIUS = 3
# Rows that are worked on at once at full resolution: what they need stays in the cache.
BAND_ROWS = 64

Levels = list[torch.Tensor]


def feature_count(levels: int) -> int:
    """Number of features of a pyramid of so many levels."""
    return levels * (_OWN + _FROM_BELOW) - _FROM_BELOW


@torch.inference_mode()  # type: ignore[untyped-decorator]
def pyramid_features(image: NDArray[np.float32], levels: int, dtype: torch.dtype | None = None) -> Levels:
    """Features of an image at each level, finest first.

    Parameters
    ----------
    image
        Normalised grey values, finite, shape (Y, X).
    levels
        Number of levels; level l has 1/2^l of the resolution.
    dtype
        To keep the features in; by default what this machine is fastest with.

    Returns
    -------
    list of Tensor
        Shape (1, features, Y_l, X_l), channels last. Square roots keep all features on the scale of grey values.
    """
    return pyramid_of(torch.from_numpy(np.ascontiguousarray(image))[None, None], levels, dtype or maps_dtype("cpu"))


def with_features(levels: Levels, level: int, features: torch.Tensor) -> Levels:
    """A pyramid with further features of one of its levels, shape (1, features, Y_l, X_l)."""
    joined = torch.cat([levels[level], features.to(levels[level].dtype)], dim=1)
    return [*levels[:level], joined.contiguous(memory_format=torch.channels_last), *levels[level + 1 :]]


def maps_dtype(device: str) -> torch.dtype:
    """Number format of feature maps on a device."""
    return fastest_precision(device).dtype


def pyramid_of(image: torch.Tensor, levels: int, dtype: torch.dtype) -> Levels:
    """`pyramid_features` of an image tensor of shape (1, 1, Y, X)."""
    values = image.float()
    below: torch.Tensor | None = None
    found = []
    for level in range(levels):
        own, moments = _level(values, dtype, last=level + 1 == levels)
        if below is not None:
            own = torch.cat([own, below.to(dtype)], dim=1)
        found.append(own.contiguous(memory_format=torch.channels_last))
        if moments is not None:
            # mean of 4 of the grey value is the next level, the other means give texture
            smooth = _blur(moments)
            values = moments[:, :1]
            below = _texture(smooth)
    return found


def _level(values: torch.Tensor, dtype: torch.dtype, *, last: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Own features of a level, and the moments that the next level is made of, in bands of rows."""
    height, width = values.shape[-2:]
    padded = F.pad(values, (_RADIUS,) * 4, mode="replicate")
    bank = _BANK.to(values.device)
    own = torch.empty((1, _OWN, height, width), dtype=dtype, device=values.device, memory_format=torch.channels_last)
    moments = []
    for top in range(0, height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, height)
        g = values[:, :, top:bottom]
        smooth, dy, dx, dyy, dxx, dxy = F.conv2d(padded[:, :, top : bottom + 2 * _RADIUS], bank).split(1, dim=1)
        larger, smaller = _eigenvalues(dyy, dxx, dxy)
        yy, xx = dy * dy, dx * dx
        own[:, :, top:bottom] = torch.cat([g, smooth, (yy + xx).sqrt_(), larger, smaller], dim=1)
        if not last:
            moments.append(F.avg_pool2d(torch.cat([g, g * g, yy, xx, dy * dx], dim=1), 2, ceil_mode=True))
    return own, None if last else torch.cat(moments, dim=2)


def _texture(moments: torch.Tensor) -> torch.Tensor:
    """Structure-tensor eigenvalues and local deviation from smoothed moments, as lengths of grey value."""
    mean, square, yy, xx, yx = moments.split(1, dim=1)
    along, across = _eigenvalues(yy, xx, yx)
    parts = [along, across, square - mean * mean]
    return torch.cat(parts, dim=1).clamp_min_(0).sqrt_()


def _eigenvalues(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Larger and smaller eigenvalue of the matrices [[a, c], [c, b]]."""
    mean = (a + b) * 0.5
    difference = (a - b) * 0.5
    spread = (difference * difference + c * c).sqrt_()
    return mean + spread, mean - spread


def _bank() -> torch.Tensor:
    """Gaussian of σ = 1 and its derivatives y, x, yy, xx, xy as kernels of shape (6, 1, 7, 7)."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    bell = torch.exp(-(offsets**2) / 2)
    bell = bell / bell.sum()
    slope = offsets * bell / (offsets**2 * bell).sum()  # answers 1 to a ramp of slope 1
    bend = (offsets**2 - (offsets**2 * bell).sum()) * bell
    bend = 2 * bend / (offsets**2 * bend).sum()  # answers 2 to x²
    outer = torch.outer
    kernels = [outer(bell, bell), outer(slope, bell), outer(bell, slope), outer(bend, bell), outer(bell, bend),
               outer(slope, slope)]  # fmt: skip
    return torch.stack(kernels)[:, None].float()


_BANK = _bank()


def _blur(values: torch.Tensor) -> torch.Tensor:
    """Gaussian blur of σ = 1 of each channel; the border is repeated."""
    count = values.shape[1]
    kernel = _BANK[:1].to(values.device).expand(count, 1, -1, -1)
    return F.conv2d(F.pad(values, (_RADIUS,) * 4, mode="replicate"), kernel, groups=count)


def _interpolated(maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Values of maps (C, Y, X) between pixels, float32, shape (C, points).

    Only the pixels around the points are touched: `grid_sample` wants whole maps in float32.
    """
    last = torch.tensor([maps.shape[-2] - 1, maps.shape[-1] - 1])
    points = points.clamp_min(0).minimum(last)
    low = points.long()
    high = torch.minimum(low + 1, last)
    share = (points - low).float()
    (y0, x0), (y1, x1), (fy, fx) = low.T, high.T, share.T
    upper = maps[:, y0, x0].float() * (1 - fx) + maps[:, y0, x1].float() * fx
    lower = maps[:, y1, x0].float() * (1 - fx) + maps[:, y1, x1].float() * fx
    return upper * (1 - fy) + lower * fy


def features_at(levels: Levels, places: NDArray[np.int64]) -> torch.Tensor:
    """Features of single pixels, coarse levels interpolated; shape (pixels, levels × features)."""
    height, width = levels[0].shape[-2:]
    centres = (torch.from_numpy(places) + 0.5) / torch.tensor([height, width])
    sampled = [_interpolated(level[0], centres * torch.tensor(level.shape[-2:]) - 0.5) for level in levels]
    return torch.cat(sampled).T
