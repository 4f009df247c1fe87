"""Steps from grey values to labels: Otsu, multi-Otsu, Li, Sauvola, hysteresis, or a value of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import Options, option
from napari_visualccc.processing.contrast import scope_option
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.step import Here, Step, Values, no_halo, odd, value_range

_BINS = 256


def _objects_option() -> Any:
    return option("bright", label="Objects are", choices=("bright", "dark"), help="What gets the label 1.")


def _finite(values: Values) -> NDArray[np.float64]:
    return np.asarray(values[np.isfinite(values)], np.float64)


def _is_flat(values: NDArray[np.float64]) -> bool:
    return not values.size or bool(values.min() == values.max())


def _apply(values: Values, options: Any, here: Here) -> Values:
    """1 where a value lies above the threshold (below it for dark objects); an image of one value has no objects."""
    if here.measured is None:
        return np.zeros(values.shape, np.uint8)
    return np.asarray((values > here.measured) == (options.objects == "bright"), np.uint8)


@dataclass(frozen=True)
class ThresholdOptions(Options):
    """Label what lies above (or below) a grey value of your choice."""

    value: float = option(0.5, label="Grey value", help="Values above it are bright, the others dark.")
    objects: str = _objects_option()


def _given(values: Values, options: ThresholdOptions, frame: Frame) -> float:
    return float(options.value)


@dataclass(frozen=True)
class OtsuOptions(Options):
    """Label by the threshold that parts the grey values into two groups, each as alike as can be (Otsu)."""

    objects: str = _objects_option()
    scope: str = scope_option()


def otsu(values: Values, options: Any = None, frame: Any = None) -> float | None:
    """Otsu's threshold of the finite values; None if they are all alike.

    References
    ----------
    Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62, doi:10.1109/TSMC.1979.4310076
    """
    from skimage.filters import threshold_otsu

    finite = _finite(values)
    return None if _is_flat(finite) else float(threshold_otsu(finite, nbins=_BINS))


@dataclass(frozen=True)
class LiOptions(Options):
    """Label by the threshold of least cross entropy (Li): for faint objects on a large background."""

    objects: str = _objects_option()
    scope: str = scope_option()


def _li(values: Values, options: LiOptions, frame: Frame) -> float | None:
    from skimage.filters import threshold_li

    finite = _finite(values)
    return None if _is_flat(finite) else float(threshold_li(finite))


@dataclass(frozen=True)
class MultiOtsuOptions(Options):
    """Part grey values into several groups (multi-Otsu): labels 1, 2, 3 … from dark to bright."""

    classes: int = option(3, label="Classes", minimum=2, maximum=5, help="How many groups.")
    scope: str = scope_option()


def _multi_otsu(values: Values, options: MultiOtsuOptions, frame: Frame) -> NDArray[np.float64]:
    from skimage.filters import threshold_multiotsu

    finite = _finite(values)
    if len(np.unique(finite[: 1 << 16])) <= options.classes:  # cheap look before the exact one
        levels = np.unique(finite)
        if len(levels) <= options.classes:
            return np.asarray((levels[1:] + levels[:-1]) / 2)
    # Time grows with the number of bins to the power of the number of thresholds.
    return np.asarray(threshold_multiotsu(finite, options.classes, nbins=_BINS if options.classes < 5 else 128))


def _classes(values: Values, options: MultiOtsuOptions, here: Here) -> Values:
    return np.asarray(1 + np.searchsorted(here.measured, values), np.uint8)


@dataclass(frozen=True)
class SauvolaOptions(Options):
    """Label by a threshold that follows the surroundings (Sauvola): for uneven background."""

    window: str = option(
        "51px", kind="length", label="Window", minimum=3.0, maximum=2001.0,
        help="Edge of the surroundings; larger than the objects.",
    )  # fmt: skip
    k: float = option(
        0.2, label="Strictness k", minimum=-1.0, maximum=1.0, step=0.05,
        help="How far the threshold lies below the local mean where there is little contrast.",
    )  # fmt: skip
    objects: str = option("dark", label="Objects are", choices=("bright", "dark"), help="What gets the label 1.")


def _sauvola(values: Values, options: SauvolaOptions, here: Here) -> Values:
    from skimage.filters import threshold_sauvola

    low, high = here.measured
    if high == low:
        return np.zeros(values.shape, np.uint8)
    # Sauvola's formula is for values from 0 up and objects that are dark; bright ones are looked at upside down.
    scaled = (values.astype(np.float64) - low) / (high - low)
    if options.objects == "bright":
        scaled = 1 - scaled
    window = [odd(max(3, n)) for n in here.frame.pixels(options.window)]
    return np.asarray(scaled <= threshold_sauvola(scaled, window, k=options.k, r=0.5), np.uint8)


def _sauvola_reach(options: SauvolaOptions, frame: Frame) -> tuple[int, int]:
    y, x = (odd(max(3, n)) // 2 + 1 for n in frame.pixels(options.window))
    return y, x


@dataclass(frozen=True)
class HysteresisOptions(Options):
    """Label what is surely bright, and what is fairly bright and hangs together with it."""

    low: Any = option(
        "auto", label="Follow from", kind="float", auto=True,
        help="Grey value down to which objects are followed; 'auto' lies half way from the background to Otsu's.",
    )  # fmt: skip
    high: Any = option(
        "auto", label="Begin at", kind="float", auto=True, help="Grey value at which objects begin; 'auto' is Otsu's."
    )
    objects: str = _objects_option()


def _two_thresholds(values: Values, options: HysteresisOptions, frame: Frame) -> tuple[float, float] | None:
    """Thresholds of values turned over for dark objects."""
    sign = 1 if options.objects == "bright" else -1
    finite = _finite(values) * sign
    middle = otsu(finite)
    if middle is None:
        return None
    below = finite[finite <= middle]
    high = middle if options.high == "auto" else sign * options.high
    low = (float(np.median(below)) + middle) / 2 if options.low == "auto" else sign * options.low
    if options.low == "auto" or options.high == "auto":
        low = min(low, high)
    if low > high:
        order = "below" if sign > 0 else "above"
        raise OptionError(f"Hysteresis: Follow from ({options.low}) must lie {order} Begin at ({options.high})")
    return low, high


def _hysteresis(values: Values, options: HysteresisOptions, here: Here) -> Values:
    from skimage.filters import apply_hysteresis_threshold

    if here.measured is None:
        return np.zeros(values.shape, np.uint8)
    sign = 1 if options.objects == "bright" else -1
    return np.asarray(apply_hysteresis_threshold(sign * values, *here.measured), np.uint8)


_GROUP = "Threshold"
STEPS = (
    Step("otsu", "Otsu", _GROUP, OtsuOptions, _apply, no_halo, otsu, gives="labels"),
    Step("multi_otsu", "Multi-Otsu", _GROUP, MultiOtsuOptions, _classes, no_halo, _multi_otsu, gives="labels"),
    Step("li", "Li", _GROUP, LiOptions, _apply, no_halo, _li, gives="labels"),
    Step("sauvola", "Sauvola (local)", _GROUP, SauvolaOptions, _sauvola, _sauvola_reach, value_range, gives="labels"),
    Step("hysteresis", "Hysteresis", _GROUP, HysteresisOptions, _hysteresis, None, _two_thresholds, gives="labels"),
    Step("threshold", "Grey value", _GROUP, ThresholdOptions, _apply, no_halo, _given, gives="labels"),
)
