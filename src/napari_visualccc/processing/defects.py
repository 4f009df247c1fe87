"""Steps that repair or mask what is not sample: hot pixels, information bars, burnt-in text and scale bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.noise import noise_sigma
from napari_visualccc.core.params import Options, option
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.holes import fill_holes
from napari_visualccc.processing.median import median
from napari_visualccc.processing.step import Here, Step, Values
from napari_visualccc.processing.text import overlay_mask


@dataclass(frozen=True)
class HotPixelOptions(Options):
    """Replace single pixels that stick out (X-rays, dead or hot detector pixels) by the median around them."""

    threshold: float = option(
        6.0, label="Sticks out by", minimum=1.0, maximum=1000.0, step=0.5, unit="σ",
        help="Standard deviations of the noise by which a pixel differs from the median around it.",
    )  # fmt: skip
    kind: str = option(
        "both", label="Which", choices=("both", "bright", "dark"), help="Bright (X-rays, hot), dark (dead), or both."
    )


def _hot_pixels(values: Values, options: HotPixelOptions, here: Here) -> Values:
    around = median(values, (3, 3))
    excess = values - around
    limit = np.float32(options.threshold * here.measured)
    match options.kind:
        case "bright":
            wrong = excess > limit
        case "dark":
            wrong = excess < -limit
        case _:
            wrong = np.abs(excess) > limit
    return np.where(wrong, around, values)


def _noise(values: Values, options: Any, frame: Frame) -> float:
    return noise_sigma(values)


def _one_pixel(options: Any, frame: Frame) -> tuple[int, int]:
    return (1, 1)


@dataclass(frozen=True)
class TextMaskOptions(Options):
    """Mask what the microscope's program wrote into the picture: information bar, scale bar, text."""

    bar: bool = option(
        True, label="Information bar", help="Strip of one grey with text at the upper or lower border of the picture."
    )
    text: bool = option(
        True,
        label="Scale bar and text",
        help="Scale bar in pure black or white within the picture, and text beside it.",
    )
    margin: int = option(2, label="Margin", minimum=0, maximum=50, unit="px", help="Mask so much more around them.")
    fill: str = option(
        "nan", label="Then", choices=("nan", "fill"),
        help="Leave empty (NaN: counts nowhere from here on), or fill with the nearest values around.",
    )  # fmt: skip


def _mask(values: Values, options: TextMaskOptions, frame: Frame) -> NDArray[np.bool_]:
    return overlay_mask(values, bar=options.bar, text=options.text, margin=options.margin)


def _text_mask(values: Values, options: TextMaskOptions, here: Here) -> Values:
    mask = here.measured
    if options.fill == "nan":
        return np.where(mask, np.float32(np.nan), values)
    return fill_holes(values, mask) if mask.any() else values


_GROUP = "Repair"
STEPS = (
    Step("hot_pixels", "Hot pixels", _GROUP, HotPixelOptions, _hot_pixels, _one_pixel, _noise),
    Step("mask_text", "Mask scale bar and text", _GROUP, TextMaskOptions, _text_mask, None, _mask, makes_holes=True,
         measures_geometry=True),
)  # fmt: skip
