"""Power spectrum of a plane or region, with axes in 1/nm.

::

      power (Y, X)              the zero frequency stands at (Y // 2, X // 2);
    ┌──────┬──────┐             bin (row, column) is the frequency
    │      │      │               ((row - Y // 2) · step_y, (column - X // 2) · step_x),
    ├──────┼──────┤               step = 1 / (number of pixels · pixel size)
    │      │      │             in 1/nm, or in 1/px if the image is not calibrated
    └──────┴──────┘
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import NANOMETRE, PIXEL, RECIPROCAL, PixelSize

Plane = NDArray[np.float32]
WINDOWS = ("hann", "hamming", "blackman", "none")
# Coefficients of the cosine sums, Harris, Proc. IEEE 66 (1978) 51, doi 10.1109/PROC.1978.10837.
_COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08), "none": (1.0,)}
SMALLEST = 16


@dataclass(frozen=True)
class Spectrum:
    """Power over spatial frequency.

    Attributes
    ----------
    power
        Squared amplitude, float32, shape (Y, X), zero frequency at ``(Y // 2, X // 2)``. White noise of variance v has
        the mean v; for an image that is a diffraction pattern, its intensity.
    step
        Frequency per bin along y and x.
    unit
        ``"1/nm"``, or ``"1/px"``.
    centre
        Row and column of the zero frequency; whole numbers for an FFT.
    window
        Name of the window; ``"pattern"`` if the image was a diffraction pattern.
    """

    power: Plane
    step: tuple[float, float]
    unit: str
    centre: tuple[float, float]
    window: str = "hann"

    @property
    def is_pattern(self) -> bool:
        """True if this is a diffraction pattern and not an FFT."""
        return self.window == PATTERN

    @property
    def length_unit(self) -> str:
        """Unit of spacings: ``"nm"`` or ``"px"``."""
        return self.unit.removeprefix("1/")

    def frequency(self, row: Any, column: Any) -> tuple[Any, Any]:
        """Frequency (y, x) of a fractional place in `power`."""
        return (row - self.centre[0]) * self.step[0], (column - self.centre[1]) * self.step[1]

    def moduli(self) -> Plane:
        """Modulus of the frequency of each bin."""
        rows, columns = self.power.shape
        fy, fx = self.frequency(np.arange(rows)[:, None], np.arange(columns)[None])
        return np.asarray(np.hypot(fy, fx), np.float32)


PATTERN = "pattern"


def power_spectrum(plane: NDArray[Any], pixel_size: PixelSize | None = None, *, window: str = "hann") -> Spectrum:
    r"""Power spectrum of an image or a region of it.

    Parameters
    ----------
    plane
        Shape (Y, X). Values that are not finite take no part.
    pixel_size
        Of the image; its y and x may differ.
    window
        Taper against the cross that the borders of the image would make.

    Raises
    ------
    InputError
        If the plane is smaller than 16 × 16 pixels or nothing in it is finite.

    Notes
    -----
    .. math:: P(k) = \frac{|\sum_x w(x) (f(x) - \bar f_w) e^{-2\pi i k x}|^2}{\sum_x w(x)^2}

    with the weighted mean :math:`\bar f_w` and, before it, the plane that fits f best taken away: an uneven
    illumination would reach far along the axes. Parseval's sum of P is :math:`YX \sum w^2 f'^2 / \sum w^2` for the f'
    that remains.

    Examples
    --------
    >>> stripes = np.sin(2 * np.pi * np.arange(64) / 8)[None] * np.ones((64, 1))
    >>> found = power_spectrum(stripes, PixelSize(0.05, 0.05, "nm"))
    >>> row, column = np.unravel_index(found.power.argmax(), found.power.shape)
    >>> [round(abs(float(f)), 3) for f in found.frequency(row, column)]
    [0.0, 2.5]
    """
    from scipy.fft import fftshift, rfft2

    size = pixel_size or PixelSize()
    shape = plane.shape
    if len(shape) != 2 or min(shape) < SMALLEST:
        raise InputError(f"a spectrum needs at least {SMALLEST} × {SMALLEST} pixels, not {' × '.join(map(str, shape))}")
    weights = taper((shape[0], shape[1]), window)
    values = np.asarray(plane, np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        if not finite.any():
            raise InputError("nothing in this region is finite: choose another")
        weights = weights * finite
        values = np.where(finite, values, values[finite].mean(dtype=np.float64).astype(np.float32))
    values = _without_ramp(values, weights)
    half = rfft2(values * weights)
    squared = (half.real**2 + half.imag**2) / np.float32(max(float((weights.astype(np.float64) ** 2).sum()), 1e-30))
    unit = {NANOMETRE: RECIPROCAL, PIXEL: "1/px"}.get(size.unit, f"1/({size.unit})")
    return Spectrum(
        fftshift(whole(squared, shape[1])),
        (1 / (shape[0] * size.y), 1 / (shape[1] * size.x)),
        unit,
        (shape[0] // 2, shape[1] // 2),
        window,
    )


def _without_ramp(values: Plane, weights: Plane) -> Plane:
    """Values less the plane that fits best, and less their weighted mean."""
    rows, columns = values.shape
    y = np.linspace(-1, 1, rows, dtype=np.float32)
    x = np.linspace(-1, 1, columns, dtype=np.float32)
    values = values - np.float32(values.mean(dtype=np.float64))
    # Slopes from sums over columns and rows: as good as a fit for a full rectangle, at the cost of two sums.
    values -= (y * np.float32(values.mean(1, dtype=np.float64) @ y / (y @ y)))[:, None]
    values -= x * np.float32(values.mean(0, dtype=np.float64) @ x / (x @ x))
    total = float(weights.sum(dtype=np.float64))
    if total > 0:
        values -= np.float32(np.vdot(weights, values) / total)
    return np.asarray(values, np.float32)


def whole(half: Plane, width: int) -> Plane:
    """Full power spectrum from the half that a real FFT gives, zero frequency first."""
    rows = half.shape[0]
    full = np.empty((rows, width), np.float32)
    full[:, : half.shape[1]] = half
    rest = width - half.shape[1]
    if rest:
        mirrored = half[:, 1 : 1 + rest][:, ::-1]
        full[0, half.shape[1] :] = mirrored[0]
        full[1:, half.shape[1] :] = mirrored[:0:-1]
    return full


@lru_cache(maxsize=16)
def taper(shape: tuple[int, int], window: str = "hann") -> Plane:
    """Window over a plane, float32; read-only."""
    rows, columns = (_cosine_sum(length, window) for length in shape)
    made = np.outer(rows, columns).astype(np.float32)
    made.flags.writeable = False
    return made


def _cosine_sum(length: int, window: str) -> NDArray[np.float64]:
    angle = 2 * np.pi * (np.arange(length) + 0.5) / length
    signs = (1, -1, 1)
    return np.asarray(sum(s * c * np.cos(i * angle) for i, (s, c) in enumerate(zip(signs, _COSINES[window]))))  # noqa: B905


def window_correlation(window: str) -> tuple[float, ...]:
    """Correlation of the amplitude of white noise in bins 0, 1, 2 … apart along one axis.

    Examples
    --------
    >>> [round(rho, 4) for rho in window_correlation("hann")]
    [1.0, -0.6667, 0.1667]
    """
    coefficients = _COSINES.get(window, (1.0,))
    middle = len(coefficients) - 1
    lines = np.zeros(2 * middle + 1)
    for order, value in enumerate(coefficients):
        for place in {middle - order, middle + order}:
            lines[place] = (-1) ** order * value / (1 if order == 0 else 2)
    overlap = np.correlate(lines, lines, "full")[2 * middle :]
    return tuple(float(v) for v in overlap / overlap[0])
