"""Mean of a spectrum or diffraction pattern over rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing.spectrum import Spectrum

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RadialProfile:
    """Power over the modulus of the frequency.

    Attributes
    ----------
    frequency
        Middle of each ring, ascending, in `unit`, shape (n,).
    mean, median
        Of the power over the ring; spots lift the mean, not the median.
    count
        Bins in the ring.
    unit
        ``"1/nm"`` or ``"1/px"``.
    """

    frequency: NDArray[np.float64]
    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    count: NDArray[np.intp]
    unit: str

    @property
    def table(self) -> pd.DataFrame:
        """Columns ``frequency_per_nm`` (or ``_per_px``), ``mean``, ``median``, ``bins``."""
        import pandas as pd

        return pd.DataFrame(
            {
                f"frequency_{self.unit.replace('1/', 'per_')}": self.frequency,
                "mean": self.mean,
                "median": self.median,
                "bins": self.count,
            }
        )


def radial_profile(spectrum: Spectrum) -> RadialProfile:
    """Mean and median over rings one bin wide (of the coarser axis), as far as the shorter axis reaches.

    Examples
    --------
    >>> flat = Spectrum(np.ones((32, 32), np.float32), (0.1, 0.1), "1/nm", (16, 16))
    >>> radial_profile(flat).mean[:3].tolist()
    [1.0, 1.0, 1.0]
    """
    width = max(spectrum.step)
    ring = np.rint(spectrum.moduli() / width).astype(np.intp).ravel()
    rows, columns = spectrum.power.shape
    last = int(min(rows * spectrum.step[0], columns * spectrum.step[1]) / 2 / width)
    order = np.argsort(ring, kind="stable")
    values = spectrum.power.ravel()[order].astype(np.float64)
    edges = np.searchsorted(ring[order], np.arange(last + 2))
    parts = [values[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    return RadialProfile(
        np.arange(last + 1, dtype=np.float64) * width,
        np.array([part.mean() if len(part) else np.nan for part in parts]),
        np.array([np.median(part) if len(part) else np.nan for part in parts]),
        np.diff(edges),
        spectrum.unit,
    )
