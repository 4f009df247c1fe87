"""Steps that measure texture: co-occurrence of grey levels (GLCM), local binary patterns, local entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import Options, option
from napari_visualccc.processing.contrast import scope_option
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.glcm import PROPERTIES, Offset, glcm_maps, offsets_of
from napari_visualccc.processing.morphology import ellipse
from napari_visualccc.processing.step import Here, Step, Values, odd, value_range

ALL = "all"
# Grey levels are laid between these percentiles, so that one hot pixel does not make all others alike.
_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True)
class GlcmOptions(Options):
    """Texture from how often grey levels lie side by side (GLCM, Haralick), in a window around each pixel."""

    property: str = option(
        "contrast", label="Property", choices=(*PROPERTIES, ALL),
        help="contrast and dissimilarity: rough; homogeneity and energy: even; correlation: long structures; entropy: "
        "disorder. 'all' gives six layers.",
    )  # fmt: skip
    window: str = option(
        "15px", kind="length", label="Window", minimum=3.0, maximum=255.0,
        help="Edge of the window; larger than the texture, smaller than the regions.",
    )  # fmt: skip
    levels: int = option(
        16, label="Grey levels", minimum=2, maximum=256, help="Number of grey levels that are told apart."
    )
    distances: tuple[float, ...] = option(
        (1.0,), label="Distances", minimum=1.0, maximum=100.0, unit="px", help="Between the pixels of a pair."
    )
    angles: tuple[float, ...] = option(
        (0.0, 45.0, 90.0, 135.0), label="Angles", minimum=-360.0, maximum=360.0, unit="°", advanced=True,
        help="Directions of pairs; the mean over all of them is taken, which makes texture blind to rotation.",
    )  # fmt: skip
    scope: str = scope_option()


def glcm_window(options: GlcmOptions, frame: Frame) -> tuple[int, int]:
    """Odd height and width of the window in pixels.

    Raises
    ------
    OptionError
        If it does not hold a pair of the largest distance.
    """
    y, x = (odd(n) for n in frame.pixels(options.window))
    offsets = glcm_offsets(options)
    if max(abs(dy) for dy, _ in offsets) >= y or max(abs(dx) for _, dx in offsets) >= x:
        raise OptionError(f"a window of {y} × {x} px holds no pair at distance {max(options.distances):g} px")
    return y, x


def glcm_offsets(options: GlcmOptions) -> list[Offset]:
    """Offsets of the second pixel of pairs."""
    return offsets_of(options.distances, options.angles)


def level_range(values: Values, options: Any = None, frame: Any = None) -> tuple[float, float]:
    """Range over which grey levels are laid."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, _PERCENTILES)
    return (float(low), float(high)) if high > low else value_range(finite)


def quantise(values: Values, levels: int, limits: tuple[float, float]) -> NDArray[np.int64]:
    """Grey levels 0 … levels - 1 of equal width over a range, -1 where a value is not finite."""
    low, high = limits
    scaled = (values.astype(np.float64) - low) * (levels / (high - low) if high > low else 0.0)
    finite = np.isfinite(scaled)
    whole = np.clip(np.where(finite, scaled, 0), 0, levels - 1).astype(np.int64)
    return np.where(finite, whole, -1)


def _glcm(values: Values, options: GlcmOptions, here: Here) -> Values:
    levels = quantise(values, options.levels, here.measured)
    name = options.property
    if name not in PROPERTIES:
        raise OptionError("'all' properties are several layers: only the last step can give them")
    maps = glcm_maps(
        levels, [name], count=options.levels, window=glcm_window(options, here.frame), offsets=glcm_offsets(options)
    )
    return np.where(levels < 0, np.nan, maps[name])


def _glcm_reach(options: GlcmOptions, frame: Frame) -> tuple[int, int]:
    y, x = glcm_window(options, frame)
    return y // 2, x // 2


@dataclass(frozen=True)
class LbpOptions(Options):
    """Local binary patterns: which neighbours on a circle are brighter than the pixel."""

    radius: str = option(
        "2px", kind="length", label="Radius", minimum=1.0, maximum=50.0, help="Radius of the circle of neighbours."
    )
    points: int = option(8, label="Points", minimum=4, maximum=24, help="Neighbours on the circle.")
    method: str = option(
        "uniform", label="Patterns", choices=("uniform", "ror", "default", "var"),
        help="uniform: kinds of edges and spots, blind to rotation; ror: all, blind to rotation; default: all; var: "
        "contrast.",
    )  # fmt: skip


def _lbp(values: Values, options: LbpOptions, here: Here) -> Values:
    from skimage.feature import local_binary_pattern

    # Whole numbers: with floats, rounding would decide which of two equal neighbours is brighter.
    whole = quantise(values, 1 << 16, here.measured).astype(np.uint16)
    radius = float(np.mean(here.frame.pixels(options.radius)))
    found = local_binary_pattern(whole, options.points, radius, options.method)
    if options.method == "var":
        low, high = here.measured
        return np.asarray(found * ((high - low) / (1 << 16)) ** 2)
    return np.asarray(found)


def _lbp_reach(options: LbpOptions, frame: Frame) -> tuple[int, int]:
    reach = int(np.ceil(np.mean(frame.pixels(options.radius)))) + 1
    return reach, reach


@dataclass(frozen=True)
class EntropyOptions(Options):
    """Disorder of the grey levels around each pixel, in bits (Shannon entropy of the local histogram)."""

    radius: str = option(
        "5px", kind="length", label="Radius", minimum=1.0, maximum=100.0, help="Radius of the round neighbourhood."
    )
    levels: int = option(
        64, label="Grey levels", minimum=2, maximum=256, help="Number of grey levels that are told apart."
    )
    scope: str = scope_option()


def _entropy(values: Values, options: EntropyOptions, here: Here) -> Values:
    from skimage.filters.rank import entropy

    levels = quantise(values, options.levels, here.measured).astype(np.uint8)
    return np.asarray(entropy(levels, ellipse(here.frame.pixels(options.radius)).astype(np.uint8)))


def _entropy_reach(options: EntropyOptions, frame: Frame) -> tuple[int, int]:
    y, x = (int(radius + 0.5) + 1 for radius in frame.pixels(options.radius))
    return y, x


_GROUP = "Texture"
STEPS = (
    Step("glcm", "Co-occurrence (GLCM)", _GROUP, GlcmOptions, _glcm, _glcm_reach, level_range, keeps_holes=False,
         makes_holes=True),
    Step("lbp", "Local binary patterns", _GROUP, LbpOptions, _lbp, _lbp_reach, value_range),
    Step("entropy", "Local entropy", _GROUP, EntropyOptions, _entropy, _entropy_reach, level_range),
)  # fmt: skip
