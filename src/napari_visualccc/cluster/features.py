"""What a pixel looks like: intensity and its surroundings at several scales.

All features are local, so that a tile read with `halo` pixels around it gives the same values as the whole plane.
Gaussians are cut off at three standard deviations.

References
----------
.. [1] Arganda-Carreras et al., "Trainable Weka Segmentation", Bioinformatics 33 (2017) 2424,
   doi 10.1093/bioinformatics/btx180 (the family of features).
.. [2] Lindeberg, "Feature detection with automatic scale selection", IJCV 30 (1998) 79,
   doi 10.1023/A:1008045108935 (why derivatives are multiplied by powers of the scale).

Two groups are not local in that strict sense: what a network sees at a pixel depends, ever more faintly, on pixels
beyond the `halo`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster import seen

Plane = NDArray[np.float32]

_TRUNCATE = 3.0
# Local entropy counts grey levels in this many bins between the limits of the whole image.
_ENTROPY_BINS = 8
# The integration scale of the structure tensor, in units of the derivative scale.
_STRUCTURE_INTEGRATION = 2.0


@dataclass(frozen=True)
class FeatureSet:
    """Which features to compute, and at which scales.

    Attributes
    ----------
    groups
        Names from `GROUPS`.
    scales
        Standard deviations in pixels.
    limits
        Intensities between which local entropy bins the grey levels.
    grey
        Mean and deviation of the intensities, which networks want to be 0 and 1.
    """

    groups: tuple[str, ...]
    scales: tuple[float, ...] = (1.0, 2.0, 4.0)
    limits: tuple[float, float] = (0.0, 1.0)
    grey: tuple[float, float] = (0.0, 1.0)

    @property
    def names(self) -> tuple[str, ...]:
        """One name per feature, in the order of `compute`."""
        return tuple(
            f"{part} σ{scale:g}" if scale else part
            for group in self.groups
            for scale in (self.scales if group in _SCALED else (0.0,))
            for part in GROUPS[group]
        )

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """For each feature, how many features its group has."""
        sizes = []
        for group in self.groups:
            size = len(GROUPS[group]) * (len(self.scales) if group in _SCALED else 1)
            sizes += [size] * size
        return tuple(sizes)

    @property
    def halo(self) -> int:
        """Pixels of surroundings that a tile needs."""
        reach = 0.0
        for group in set(self.groups) & set(_SCALED):
            widest = max(self.scales)
            factor = 1 + _STRUCTURE_INTEGRATION if group == "structure" else 1
            reach = max(reach, _radius(widest) * factor + 2)
        if set(self.groups) & set(_SEEN):
            return -(-int(max(reach, seen.REACH)) // seen.GRID) * seen.GRID
        return int(np.ceil(reach))

    def compute(self, plane: Plane, *, origin: tuple[int, int] = (0, 0), shape: tuple[int, int] | None = None) -> Plane:
        """Features of a plane or tile.

        Parameters
        ----------
        plane
            Finite intensities, shape (Y, X).
        origin, shape
            Where the tile lies in its plane and the shape of that plane, for the feature ``position``.

        Returns
        -------
        ndarray of float32, shape (features, Y, X)
        """
        out = np.empty((len(self.names), *plane.shape), np.float32)
        smooth = _SmoothPlanes(plane)
        at = 0
        for group in self.groups:
            if group in _SCALED:
                for scale in self.scales:
                    made = _SCALED[group](smooth, scale, self)
                    out[at : at + len(made)] = made
                    at += len(made)
            else:
                made = self._unscaled(group, plane, origin, shape or plane.shape)
                out[at : at + len(made)] = made
                at += len(made)
        return out

    def _unscaled(self, group: str, plane: Plane, origin: tuple[int, int], shape: tuple[int, ...]) -> Sequence[Any]:
        if group in _SEEN:
            centre, spread = self.grey
            return list(_SEEN[group](((plane - centre) / spread).astype(np.float32)))
        return [plane] if group == "intensity" else _position(plane.shape, origin, (shape[0], shape[1]))


class _SmoothPlanes:
    """Gaussian-smoothed copies of a plane, made once and shared by the features of one scale."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._smooth: dict[float, Plane] = {}
        self._gradients: dict[float, tuple[Plane, Plane]] = {}

    def at(self, scale: float) -> Plane:
        if scale not in self._smooth:
            self._smooth[scale] = _gaussian(self.plane, scale)
        return self._smooth[scale]

    def gradient(self, scale: float) -> tuple[Plane, Plane]:
        """Derivatives along y and x by central differences of the smoothed plane, in grey values per scale."""
        if scale not in self._gradients:
            smooth = self.at(scale)
            self._gradients[scale] = (_difference(smooth, 0) * scale, _difference(smooth, 1) * scale)
        return self._gradients[scale]


def _gaussian(plane: Plane, scale: float) -> Plane:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(plane, scale, truncate=_TRUNCATE, mode="nearest"))


def _radius(scale: float) -> int:
    return int(_TRUNCATE * scale + 0.5)


def _difference(plane: Plane, axis: int) -> Plane:
    padded = np.pad(plane, 1, mode="edge")
    ahead, behind = (padded[2:, 1:-1], padded[:-2, 1:-1]) if axis == 0 else (padded[1:-1, 2:], padded[1:-1, :-2])
    return np.asarray((ahead - behind) * np.float32(0.5))


def _gaussian_feature(planes: _SmoothPlanes, scale: float, _: FeatureSet) -> list[Plane]:
    return [planes.at(scale)]


def _gradient(planes: _SmoothPlanes, scale: float, _: FeatureSet) -> list[Plane]:
    return [np.asarray(np.hypot(*planes.gradient(scale)), np.float32)]


def _hessian(planes: _SmoothPlanes, scale: float, _: FeatureSet) -> list[Plane]:
    """Larger and smaller eigenvalue: ridges and blobs, bright ones negative."""
    gy, gx = planes.gradient(scale)
    return _eigenvalues(*(_difference(g, axis) * scale for g, axis in ((gy, 0), (gy, 1), (gx, 1))))


def _structure(planes: _SmoothPlanes, scale: float, _: FeatureSet) -> list[Plane]:
    """Roots of the eigenvalues of the structure tensor: gradient across and along the local direction."""
    gy, gx = planes.gradient(scale)
    window = _STRUCTURE_INTEGRATION * scale
    large, small = _eigenvalues(*(_gaussian(product, window) for product in (gy * gy, gy * gx, gx * gx)))
    return [np.asarray(np.sqrt(np.maximum(part, 0)), np.float32) for part in (large, small)]


def _eigenvalues(yy: Plane, yx: Plane, xx: Plane) -> list[Plane]:
    middle: Plane = (yy + xx) * np.float32(0.5)
    spread = np.asarray(np.hypot((yy - xx) * np.float32(0.5), yx), np.float32)
    return [middle + spread, middle - spread]


def _local(planes: _SmoothPlanes, scale: float, _: FeatureSet) -> list[Plane]:
    """Mean and standard deviation in a square of about four standard deviations."""
    from scipy import ndimage

    window = 2 * int(round(2 * scale)) + 1
    # Taken about the tile's mean, squares stay small and their difference keeps its digits.
    level = planes.plane.mean(dtype=np.float64).astype(np.float32)
    shifted = planes.plane - level
    mean = ndimage.uniform_filter(shifted, window, mode="nearest", output=np.float64)
    square = ndimage.uniform_filter(shifted * shifted, window, mode="nearest", output=np.float64)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    return [(mean + level).astype(np.float32), deviation.astype(np.float32)]


def _entropy(planes: _SmoothPlanes, scale: float, features: FeatureSet) -> list[Plane]:
    """Shannon entropy in bits of the grey levels in a square of about four standard deviations."""
    from scipy import ndimage

    low, high = features.limits
    step = (high - low) / _ENTROPY_BINS or 1.0
    level = np.clip((planes.plane - low) / step, 0, _ENTROPY_BINS - 1).astype(np.uint8)
    window = 2 * int(round(2 * scale)) + 1
    entropy = np.zeros(planes.plane.shape, np.float32)
    for bin_number in range(_ENTROPY_BINS):
        member = (level == bin_number).astype(np.float32)
        if not member.any():
            continue
        share = np.maximum(ndimage.uniform_filter(member, window, mode="nearest"), 1e-7)
        entropy -= share * np.log2(share)
    return [np.maximum(entropy, 0)]


def _position(shape: tuple[int, ...], origin: tuple[int, int], whole: tuple[int, int]) -> list[Plane]:
    """Row and column from 0 to 1."""
    y, x = ((origin[a] + np.arange(shape[a], dtype=np.float32)) / max(whole[a] - 1, 1) for a in range(2))
    return [np.broadcast_to(y[:, None], shape), np.broadcast_to(x[None, :], shape)]


Maker = Callable[[_SmoothPlanes, float, FeatureSet], Sequence[Any]]
_SCALED: dict[str, Maker] = {
    "gaussian": _gaussian_feature,
    "gradient": _gradient,
    "hessian": _hessian,
    "structure": _structure,
    "local": _local,
    "entropy": _entropy,
}
_SEEN: dict[str, Callable[[Plane], Plane]] = {"network": seen.network_sees, "lattice": seen.lattice_seen}
GROUPS: dict[str, tuple[str, ...]] = {
    "intensity": ("intensity",),
    "gaussian": ("smoothed intensity",),
    "gradient": ("gradient",),
    "hessian": ("Hessian λ₁", "Hessian λ₂"),
    "structure": ("structure λ₁", "structure λ₂"),
    "local": ("local mean", "local deviation"),
    "entropy": ("local entropy",),
    "position": ("row", "column"),
    "network": tuple(f"network {number}" for number in range(1, seen.NETWORK + 1)),
    "lattice": tuple(f"lattice {number}" for number in range(1, seen.LATTICE + 1)),
}
