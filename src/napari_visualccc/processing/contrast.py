"""Steps that change grey values: percentile stretch, CLAHE, gamma, histogram matching across a stack, sharpening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import Options, option
from napari_visualccc.core.progress import Progress
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.step import SCOPES, Here, Source, Step, Values, gaussian_halo, no_halo, value_range

_QUANTILES = np.linspace(0, 1, 1025)


def scope_option() -> Any:
    """Option *scope*: whether planes of a stack are looked at one by one or together."""
    return option(
        "plane", label="Measured on", choices=SCOPES,
        help="Each plane by itself, or all planes of the stack together, so that they stay comparable.",
    )  # fmt: skip


@dataclass(frozen=True)
class StretchOptions(Options):
    """Stretch the values between two percentiles to 0 … 1 and cut off the rest."""

    low: float = option(
        0.5, label="Black at", minimum=0.0, maximum=100.0, step=0.5, unit="%", help="Percentile that becomes 0."
    )
    high: float = option(
        99.5, label="White at", minimum=0.0, maximum=100.0, step=0.5, unit="%", help="Percentile that becomes 1."
    )
    invert: bool = option(False, label="Invert", help="Make dark bright and bright dark.")
    scope: str = scope_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low >= self.high:
            raise OptionError(f"Black at {self.low:g} % must lie below White at {self.high:g} %")


def _percentiles(values: Values, options: StretchOptions, frame: Frame) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, [options.low, options.high])
    return float(low), float(high)


def _stretch(values: Values, options: StretchOptions, here: Here) -> Values:
    scaled = np.clip(_to_unit(values, here.measured), 0, 1)
    return 1 - scaled if options.invert else scaled


def _to_unit(values: Values, limits: tuple[float, float]) -> Values:
    """Values as share of a range; 0 all over if the range is nothing."""
    low, high = limits
    return np.asarray((values - low) * (1 / (high - low) if high > low else 0.0), np.float32)


def _from_unit(values: Values, limits: tuple[float, float]) -> Values:
    return np.asarray(limits[0] + values * (limits[1] - limits[0]))


@dataclass(frozen=True)
class GammaOptions(Options):
    """Brighten (below 1) or darken (above 1) the middle greys; black and white stay where they are."""

    gamma: float = option(
        0.7, label="Gamma γ", minimum=0.05, maximum=10.0, step=0.05, help="Exponent over the range of the plane."
    )
    scope: str = scope_option()


def _gamma(values: Values, options: GammaOptions, here: Here) -> Values:
    return _from_unit(np.clip(_to_unit(values, here.measured), 0, 1) ** options.gamma, here.measured)


@dataclass(frozen=True)
class ClaheOptions(Options):
    """Even out contrast between parts of the image (contrast-limited adaptive histogram equalisation)."""

    tile: str = option(
        "128px", kind="length", label="Neighbourhood", minimum=4.0, maximum=10000.0,
        help="Edge of the squares whose histograms are evened out.",
    )  # fmt: skip
    limit: float = option(
        0.01, label="Contrast limit", minimum=0.0005, maximum=1.0, step=0.005,
        help="How much contrast may grow where there is little; small is gentle.",
    )  # fmt: skip


def _clahe(values: Values, options: ClaheOptions, here: Here) -> Values:
    from skimage.exposure import equalize_adapthist

    limits = here.measured
    if limits[1] <= limits[0] or min(values.shape) < 2:
        return values
    kernel = [
        int(min(max(2, round(edge)), length))
        for edge, length in zip(here.frame.pixels(options.tile), values.shape, strict=True)
    ]
    even = equalize_adapthist(np.clip(_to_unit(values, limits), 0, 1), kernel_size=kernel, clip_limit=options.limit)
    return _from_unit(even, limits)


@dataclass(frozen=True)
class MatchOptions(Options):
    """Give all planes of a stack the histogram of one of them: against drifting brightness and contrast."""

    reference: int = option(
        0, label="Reference plane", minimum=0, maximum=10**6, help="Number of the plane that stays as it is, from 0."
    )


def _quantiles(values: Values, options: Any = None, frame: Any = None) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    return np.quantile(finite, _QUANTILES) if finite.size else np.zeros(len(_QUANTILES))


def _reference(source: Source, options: MatchOptions, progress: Progress) -> NDArray[np.float64]:
    if options.reference >= source.frame.count:
        raise OptionError(f"there is no plane {options.reference}: the stack has 0 … {source.frame.count - 1}")
    progress(0.0, "reading the reference")
    return _quantiles(source.read(options.reference, source.frame.whole))


def _match(values: Values, options: MatchOptions, here: Here) -> Values:
    if here.index == options.reference:
        return values
    # Equal neighbours in the quantiles (8-bit images) would make the map jump: each value goes to the middle of its
    # plateau.
    own, where = np.unique(here.measured, return_inverse=True)
    wanted = np.bincount(where, here.learned) / np.bincount(where)
    return np.asarray(np.interp(values, own, wanted), np.float32)


@dataclass(frozen=True)
class UnsharpOptions(Options):
    """Sharpen: add what a Gaussian blur takes away (unsharp mask)."""

    sigma: str = option(
        "2px", kind="length", label="Width σ", minimum=0.1, maximum=200.0,
        help="Standard deviation of the blur: detail up to about this size is sharpened.",
    )  # fmt: skip
    amount: float = option(1.0, label="Amount", minimum=0.0, maximum=20.0, step=0.1, help="0 changes nothing.")


def _unsharp(values: Values, options: UnsharpOptions, here: Here) -> Values:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(values, here.frame.pixels(options.sigma), mode="nearest")
    return np.asarray(values + np.float32(options.amount) * (values - blurred))


def _unsharp_reach(options: UnsharpOptions, frame: Frame) -> tuple[int, int]:
    return gaussian_halo(frame.pixels(options.sigma))


_GROUP = "Contrast"
STEPS = (
    Step("stretch", "Percentile stretch", _GROUP, StretchOptions, _stretch, no_halo, _percentiles),
    Step("clahe", "CLAHE", _GROUP, ClaheOptions, _clahe, None, value_range),
    Step("gamma", "Gamma", _GROUP, GammaOptions, _gamma, no_halo, value_range),
    Step("match", "Match histograms", _GROUP, MatchOptions, _match, no_halo, _quantiles, learn=_reference),
    Step("unsharp", "Sharpen (unsharp mask)", _GROUP, UnsharpOptions, _unsharp, _unsharp_reach),
)
