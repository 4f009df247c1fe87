"""Steps that find edges and ridges: Sobel, Canny, Hessian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import Options, option
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.step import Here, Step, Values, gaussian_halo


@dataclass(frozen=True)
class SobelOptions(Options):
    """Steepness of the grey values: bright lines along edges."""

    sigma: str = option(
        "1px", kind="length", label="Smooth σ", minimum=0.0, maximum=100.0,
        help="Gaussian blur before, against noise; 0 for none.",
    )  # fmt: skip


def _sobel(values: Values, options: SobelOptions, here: Here) -> Values:
    from scipy.ndimage import gaussian_filter
    from skimage.filters import sobel

    return np.asarray(sobel(gaussian_filter(values, here.frame.pixels(options.sigma), mode="nearest")))


def _sobel_reach(options: SobelOptions, frame: Frame) -> tuple[int, int]:
    return gaussian_halo(frame.pixels(options.sigma), 1)


@dataclass(frozen=True)
class CannyOptions(Options):
    """Edges as lines one pixel wide (labels: 1 on an edge)."""

    sigma: str = option(
        "2px", kind="length", label="Smooth σ", minimum=0.3, maximum=100.0, help="Gaussian blur before, against noise."
    )
    low: float = option(
        80.0, label="Follow from", minimum=0.0, maximum=100.0, step=1.0, unit="%",
        help="Edges are followed down to this percentile of steepness.",
    )  # fmt: skip
    high: float = option(
        95.0, label="Begin at", minimum=0.0, maximum=100.0, step=1.0, unit="%",
        help="Edges begin where the steepness is above this percentile.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise OptionError(f"Follow from {self.low:g} % must not lie above Begin at {self.high:g} %")


def _canny(values: Values, options: CannyOptions, here: Here) -> Values:
    from skimage.feature import canny

    if values.min() == values.max():
        return np.zeros(values.shape, np.uint8)
    sigma = float(np.mean(here.frame.pixels(options.sigma)))
    return np.asarray(
        canny(values, sigma, options.low / 100, options.high / 100, use_quantiles=True, mode="nearest"), np.uint8
    )


@dataclass(frozen=True)
class RidgeOptions(Options):
    """How much a place looks like a line: cracks, grain boundaries, fibres (from the Hessian, scale by scale)."""

    width: str = option(
        "3px", kind="length", label="Line width", minimum=1.0, maximum=200.0, help="Width of the finest lines."
    )
    scales: int = option(
        2, label="Scales", minimum=1, maximum=5, help="How many widths are tried, each twice the one before."
    )
    lines: str = option("dark", label="Lines are", choices=("dark", "bright"), help="Darker or brighter than around.")


def _sigmas(options: RidgeOptions, frame: Frame) -> list[float]:
    # A Gaussian line profile answers most at σ = width / 2 of a line with that many pixels across.
    finest = float(np.mean(frame.pixels(options.width))) / 2
    return [finest * 2**scale for scale in range(options.scales)]


def _ridge(values: Values, options: RidgeOptions, here: Here) -> Values:
    from skimage.filters import sato

    if min(values.shape) < 3:
        return np.zeros_like(values)
    return np.asarray(sato(values, _sigmas(options, here.frame), options.lines == "dark", mode="nearest"))


def _ridge_reach(options: RidgeOptions, frame: Frame) -> tuple[int, int]:
    widest = _sigmas(options, frame)[-1]
    return gaussian_halo((widest, widest), 3)


_GROUP = "Edges"
STEPS = (
    Step("sobel", "Sobel", _GROUP, SobelOptions, _sobel, _sobel_reach),
    Step("canny", "Canny", _GROUP, CannyOptions, _canny, gives="labels"),
    Step("ridge", "Ridges (Hessian)", _GROUP, RidgeOptions, _ridge, _ridge_reach),
)
