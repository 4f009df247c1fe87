"""What a user can choose about spectra and lattice maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_visualccc.core.params import Options, option
from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.processing.spectrum import WINDOWS

_FINEST_NM = 0.1  # few lenses carry more, and no phase needs it; scan noise has much there


@dataclass(frozen=True)
class LatticeOptions(Options):
    """How lattices are looked for."""

    longest_nm: Any = option(
        "auto", label="Longest spacing", kind="float", auto=True, minimum=0.02, maximum=1000.0, step=0.1, unit="nm",
        help="Largest lattice spacing looked for; 'auto' takes 1 nm, or all that the region allows if not calibrated.",
    )  # fmt: skip
    shortest_nm: Any = option(
        "auto", label="Shortest spacing", kind="float", auto=True, minimum=0.02, maximum=100.0, step=0.01, unit="nm",
        help="Smallest lattice spacing looked for; 'auto' takes 0.1 nm, or two pixels where those are more.",
    )  # fmt: skip
    taper: str = option(
        "hann", label="Window", choices=WINDOWS, advanced=True,
        help="Taper of the region towards its borders, which would draw a cross through the spectrum.",
    )  # fmt: skip
    false_alarms: float = option(
        0.01, label="False alarms", minimum=1e-6, maximum=0.5, step=0.01, advanced=True,
        help="Probability that an image of noise shows any spot.",
    )  # fmt: skip
    calibration: float = option(
        1.0, label="Pixel size known to", minimum=0.05, maximum=20.0, step=0.5, unit="%", advanced=True,
        help="Standard error of the pixel size: phases may differ from the measured spacings by so much in common.",
    )  # fmt: skip
    distortion: float = option(
        1.0, label="Lattice distorted by", minimum=0.05, maximum=20.0, step=0.5, unit="%", advanced=True,
        help="Standard error of single spots by strain, drift and scanning.",
    )  # fmt: skip
    local_window: Any = option(
        "auto", label="Local window", kind="int", auto=True, minimum=16, maximum=2048, unit="px", advanced=True,
        help="Edge of the windows that maps are made from; 'auto' takes twelve fringes.",
    )  # fmt: skip
    smallest_grain: float = option(
        0.1, label="Smallest grain", minimum=0.0, maximum=100.0, step=0.1, advanced=True,
        help="Grains smaller than this share of a local window's area are left out.",
    )  # fmt: skip


def longest(options: LatticeOptions, pixel_size: PixelSize) -> float:
    """Largest spacing looked for, in the unit of the pixel size."""
    if options.longest_nm != "auto":
        return float(options.longest_nm)
    return 1.0 if pixel_size.unit == NANOMETRE else 1e9


def shortest(options: LatticeOptions, pixel_size: PixelSize) -> float:
    """Smallest spacing looked for, in the unit of the pixel size."""
    if options.shortest_nm != "auto":
        return float(options.shortest_nm)
    return max(2 * min(pixel_size.y, pixel_size.x), _FINEST_NM if pixel_size.unit == NANOMETRE else 0.0)
