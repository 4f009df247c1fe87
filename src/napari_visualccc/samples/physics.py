"""Physics that the simulations share: lens, dose, detector, random fields.

References
----------
.. [1] Kirkland, "Advanced Computing in Electron Microscopy", Springer 2020, doi 10.1007/978-3-030-33260-0,
   eqs. 2.5 (wavelength), 2.34 (aberrations), 3.41 (partial coherence).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]


def wavelength_nm(voltage_kv: float) -> float:
    """Relativistic wavelength of electrons.

    Examples
    --------
    >>> round(wavelength_nm(300), 6)
    0.001969
    """
    volts = voltage_kv * 1e3
    return float(1.22642596 / np.sqrt(volts * (1 + 0.97847538e-6 * volts)))


def frequencies(shape: tuple[int, int], pixel_nm: float) -> tuple[Field, Field]:
    """Spatial frequencies (y, x) of an FFT in 1/nm, broadcastable to `shape`."""
    fy, fx = (np.asarray(np.fft.fftfreq(length, pixel_nm), np.float64) for length in shape)
    return fy[:, None], fx[None, :]


def contrast_transfer(
    frequency: Field,
    *,
    voltage_kv: float,
    defocus_nm: float,
    cs_mm: float,
    focal_spread_nm: float,
    convergence_mrad: float,
) -> Field:
    r"""Contrast transfer of a weak phase object, damped by partial coherence.

    Parameters
    ----------
    frequency
        Modulus of the spatial frequency in 1/nm.
    defocus_nm
        Positive is underfocus.

    Notes
    -----
    .. math:: T(k) = 2 \sin\chi(k)\, E_t(k)\, E_s(k), \quad
              \chi = \pi\lambda k^2 (C_s \lambda^2 k^2 / 2 - \Delta f)
    """
    wave = wavelength_nm(voltage_kv)
    cs_nm = cs_mm * 1e6
    squared = frequency**2
    chi = np.pi * wave * squared * (0.5 * cs_nm * wave**2 * squared - defocus_nm)
    temporal = np.exp(-0.5 * (np.pi * wave * focal_spread_nm * squared) ** 2)
    slope = cs_nm * wave**3 * frequency**3 - defocus_nm * wave * frequency
    spatial = np.exp(-((np.pi * convergence_mrad * 1e-3 / wave * slope) ** 2))
    return np.asarray(-2 * np.sin(chi) * temporal * spatial)


def random_field(rng: np.random.Generator, shape: tuple[int, int], length_px: float) -> Field:
    """Gaussian random field with mean 0, variance 1 and a Gaussian correlation of the given length in pixels."""
    fy, fx = frequencies(shape, 1.0)
    envelope = np.exp(-0.5 * (np.pi * length_px) ** 2 * (fy**2 + fx**2))
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=shape)) * envelope).real
    spread = field.std()
    return np.asarray((field - field.mean()) / (spread if spread > 0 else 1.0))


def drift_blur(field: Field, pixel_nm: float, length_nm: float, direction_deg: float) -> Field:
    """Blur of a drift at constant speed during the exposure: a sinc along its direction (0° is +x)."""
    fy, fx = frequencies(field.shape, pixel_nm)
    angle = np.deg2rad(direction_deg)
    along = fx * np.cos(angle) + fy * np.sin(angle)
    return np.asarray(np.fft.ifft2(np.fft.fft2(field) * np.sinc(along * length_nm)).real)


def detect(
    rng: np.random.Generator, expected: Field, electrons_per_pixel: float, *, gain: float = 1.0
) -> NDArray[np.uint16]:
    """Counts of a detector that sees `expected` (1 = vacuum): Poisson electrons times gain.

    Notes
    -----
    In a uniform region the variance of counts is ``gain`` times their mean.
    """
    electrons = rng.poisson(np.maximum(expected, 0) * electrons_per_pixel)
    return np.asarray(np.clip(np.rint(electrons * gain), 0, 65535), np.uint16)
