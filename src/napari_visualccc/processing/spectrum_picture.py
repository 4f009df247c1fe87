"""A spectrum as a picture, the faint made visible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing.spectrum import Spectrum

# Darkest and brightest of the picture, as quantiles of the logarithm of the power.
_SHOWN = (0.3, 0.9995)
_MOST_BINS = 512  # larger spectra are shown by the highest of several bins


def spectrum_picture(spectrum: Spectrum) -> tuple[NDArray[np.uint8], int]:
    """Grey levels of the logarithm of the power, and how many bins along each edge became one pixel.

    Examples
    --------
    >>> spectrum_picture(Spectrum(np.ones((600, 1200), np.float32), (0.1, 0.1), "1/nm", (300, 600)))[0].shape
    (200, 400)
    """
    power = spectrum.power
    fold = -(-max(power.shape) // _MOST_BINS)
    if fold > 1:
        rows, columns = (n // fold * fold for n in power.shape)
        power = power[:rows, :columns].reshape(rows // fold, fold, columns // fold, fold).max((1, 3))
    logs = np.log(np.maximum(power, 1e-12 * float(power.max()) + 1e-30))
    low, high = np.quantile(logs[:: max(1, len(logs) // 128)], _SHOWN)
    return (np.clip((logs - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8), fold
