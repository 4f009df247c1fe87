"""Whether the noise of a plane is that of counted electrons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_visualccc.core.noise import MAD, laplacian_residual, noise_sigma
from napari_visualccc.processing.step import Values

_BLOCK = 16
_BRIGHTNESS_BINS = 16
# Among blocks of the same brightness those without structure have the least variance.
_QUIET = 0.25
_FEWEST_BLOCKS = 4


@dataclass(frozen=True)
class Detector:
    """Noise model ``variance = gain · (value - offset)``.

    Attributes
    ----------
    gain
        Grey levels per counted electron; 0 if the noise does not grow with the signal.
    offset
        Grey level of no electrons.
    sigma
        Standard deviation of the noise all over, for a gain of 0.
    """

    gain: float
    offset: float
    sigma: float


def detector_of(values: Values) -> Detector:
    """Estimate the noise model from one plane: variance over brightness of its quietest blocks.

    References
    ----------
    Foi et al., IEEE Trans. Image Process. 17 (2008) 1737, doi:10.1109/TIP.2008.2001399 (the idea; this is a short
    version of it).
    """
    flat = Detector(0.0, 0.0, noise_sigma(values))
    rest = laplacian_residual(values)
    rows, columns = rest.shape[0] // _BLOCK, rest.shape[1] // _BLOCK
    if rows * columns < _FEWEST_BLOCKS * _BRIGHTNESS_BINS:
        return flat
    shape = (rows, _BLOCK, columns, _BLOCK)
    cut = (slice(0, rows * _BLOCK), slice(0, columns * _BLOCK))
    mean = values[1:-1, 1:-1][cut].reshape(shape).mean(axis=(1, 3)).ravel()
    variance = (rest[cut].reshape(shape) ** 2).mean(axis=(1, 3)).ravel()
    fine = np.isfinite(mean) & np.isfinite(variance)
    if fine.sum() < _FEWEST_BLOCKS * _BRIGHTNESS_BINS:
        return flat
    mean, variance = mean[fine], variance[fine]
    groups = np.array_split(np.argsort(mean), _BRIGHTNESS_BINS)
    brightness = np.array([mean[group].mean() for group in groups])
    quiet = np.array([np.quantile(variance[group], _QUIET) for group in groups])
    # The variance of n normal values scatters by sqrt(2 / n): its lower quartile lies that far below the mean.
    quiet /= 1 - MAD * np.sqrt(2 / _BLOCK**2) * np.sqrt(_BLOCK_CORRELATION)
    if np.ptp(brightness) <= 0:
        return flat
    weights = 1 / np.maximum(quiet, 1e-12 * max(quiet.max(), 1e-300))
    gain, intercept = np.polyfit(brightness, quiet, 1, w=weights)
    if not gain > 0 or np.corrcoef(brightness, quiet)[0, 1] < 0.5:
        return flat
    return Detector(float(gain), float(-intercept / gain), flat.sigma)


# Neighbouring residuals share pixels: Σρ² of the mask [1 -2 1]ᵀ[1 -2 1] / 6, which widens the scatter of a block.
_BLOCK_CORRELATION = (1 + 2 * (4 / 6) ** 2 + 2 * (1 / 6) ** 2) ** 2
