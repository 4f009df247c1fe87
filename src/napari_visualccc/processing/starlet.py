"""Isotropic undecimated wavelets (starlets): details of an image by scale, each pixel on its own.

No other wavelet is needed here: this one has no preferred direction and no grid, so that lattices and round particles
are cleaned without artefacts, and it reaches a known number of pixels, so that regions can be computed on their own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_visualccc.processing.step import Values

# Most pixels of the finest scale are noise alone: at three standard deviations one in 370 would stay as a speck.
_FINEST = 4 / 3
_SPLINE = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def starlet_reach(scales: int) -> int:
    """Pixels that a result depends on, on every side."""
    return int(2 * (2**scales - 1))


def starlet_denoise(values: Values, threshold: float, scales: int) -> Values:
    """Take details weaker than noise out of an image.

    Parameters
    ----------
    values
        Plane without NaN.
    threshold
        In grey levels, for white noise at full resolution; coarser scales have theirs in proportion.
    scales
        Number of scales that are cleaned; what is coarser stays as it is.

    References
    ----------
    Starck, Fadili & Murtagh, IEEE Trans. Image Process. 16 (2007) 297, doi:10.1109/TIP.2006.887733
    """
    smooth = np.asarray(values, np.float32)
    result = np.zeros_like(smooth)
    for scale, share in enumerate(_noise_shares(scales)):
        coarser = _smooth(smooth, 2**scale)
        detail = smooth - coarser
        # Hard thresholding keeps edges at their height; soft would take the threshold off every one of them.
        limit = threshold * share * (1 if scale else _FINEST)
        detail[np.abs(detail) < limit] = 0
        result += detail
        smooth = coarser
    return np.asarray(result + smooth)


def _smooth(values: Values, step: int) -> Values:
    from scipy.ndimage import correlate1d

    kernel = np.zeros(4 * step + 1, np.float32)
    kernel[::step] = _SPLINE
    for axis in (0, 1):
        values = correlate1d(values, kernel, axis=axis, mode="nearest")
    return values


@lru_cache(maxsize=8)
def _noise_shares(scales: int) -> tuple[float, ...]:
    """Standard deviation of white noise in the details of each scale: the norm of the filter that makes them."""
    edge = 2 * starlet_reach(scales) + 1
    impulse = np.zeros((edge, edge))
    impulse[edge // 2, edge // 2] = 1
    shares = []
    for scale in range(scales):
        coarser = _smooth(impulse, 2**scale)
        shares.append(float(np.sqrt(((impulse - coarser) ** 2).sum())))
        impulse = coarser
    return tuple(shares)
