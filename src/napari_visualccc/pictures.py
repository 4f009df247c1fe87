"""Pictures of results for reports and pages: grey image, coloured labels, scale bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.results import Colour

RGB = NDArray[np.uint8]

_CONTRAST_PERCENTILES = (0.5, 99.5)
# Ends of a diverging scale that colour-blind eyes tell apart.
_RAISES, _LOWERS = (0.84, 0.19, 0.15), (0.19, 0.39, 0.85)
# A scale bar is a round number of units between an eighth and a third of the width.
_ROUND = (1.0, 2.0, 5.0)
# Matplotlib's "inferno" from cold to hot, as in the viewer.
_HEAT = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
         (252, 255, 164))  # fmt: skip


def grey_picture(plane: NDArray[Any]) -> RGB:
    """Plane as an 8-bit RGB picture, contrast stretched between its 0.5 and 99.5 percentiles; not finite is black."""
    values = np.asarray(plane, np.float32)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, _CONTRAST_PERCENTILES) if finite.size else (0.0, 1.0)
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    grey = (np.nan_to_num(scaled) * 255).astype(np.uint8)
    return np.stack([grey] * 3, -1)


def overlay_picture(
    plane: NDArray[Any], labels: NDArray[Any], colours: Mapping[int, Colour], *, opacity: float = 0.5
) -> RGB:
    """Plane with its labels laid over it in their colours; label 0 stays grey."""
    picture = grey_picture(plane).astype(np.float32)
    for label, colour in colours.items():
        member = labels == label
        picture[member] = (1 - opacity) * picture[member] + opacity * 255 * np.array(colour[:3], np.float32)
    return picture.astype(np.uint8)


def heat_picture(
    plane: NDArray[Any], heat: NDArray[np.floating], *, opacity: float = 0.6, brightest: float = 1.0
) -> RGB:
    """Plane with a heatmap laid over it: the hotter, the less grey shows through.

    Parameters
    ----------
    plane
        Grey values, shape (Y, X).
    heat
        0 … 1 of the same shape; what is not finite counts as cold.
    opacity
        Of the hottest place.
    brightest
        Heat from which on the picture does not get brighter.
    """
    values = (np.nan_to_num(np.asarray(heat, np.float32)) / np.float32(brightest)).clip(0, 1)
    places = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(values, places, channel) for channel in np.array(_HEAT, np.float32).T], -1)
    share = (opacity * values)[..., None]
    return np.asarray((1 - share) * grey_picture(plane) + share * colours, np.uint8)


def scale_bar(width_px: int, pixel_size: PixelSize) -> tuple[int, str]:
    """Length in pixels and text of a scale bar that suits a picture `width_px` wide.

    Examples
    --------
    >>> scale_bar(1000, PixelSize(0.5, 0.5, "nm"))
    (200, '100 nm')
    """
    most = pixel_size.x * width_px / 3
    decade = 10.0 ** np.floor(np.log10(most))
    length = max(step * decade for step in _ROUND if step * decade <= most)
    value, unit = (length / 1000, "µm") if pixel_size.unit == "nm" and length >= 1000 else (length, pixel_size.unit)
    return round(length / pixel_size.x), f"{value:g} {unit}"


def diverging_picture(plane: NDArray[Any], values: NDArray[Any], *, opacity: float = 0.5) -> RGB:
    """Plane with positive values laid over it in red and negative ones in blue, stronger where they are larger."""
    finite = np.nan_to_num(np.asarray(values, np.float32))
    most = float(np.percentile(np.abs(finite), 99)) or 1.0
    share = (finite / most).clip(-1, 1)[..., None]
    colour = np.where(share > 0, np.array(_RAISES), np.array(_LOWERS)) * 255
    weight = opacity * np.abs(share)
    return np.asarray((1 - weight) * grey_picture(plane) + weight * colour, np.uint8)


def with_scale_bar(picture: RGB, pixel_size: PixelSize) -> RGB:
    """Picture with a white scale bar in its lower left corner."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    length, text = scale_bar(width, pixel_size)
    margin, thickness = max(width // 40, 2), max(height // 100, 2)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(height // 24, 10))
    bottom = height - margin
    top_of_text = bottom - thickness - max(height // 18, 14)
    box = (
        margin // 2,
        top_of_text - 2,
        margin + max(length, round(font.getlength(text))) + margin // 2,
        bottom + margin // 2,
    )
    draw.rectangle(box, fill=(0, 0, 0))
    draw.rectangle((margin, bottom - thickness, margin + length, bottom), fill=(255, 255, 255))
    draw.text((margin, top_of_text), text, fill=(255, 255, 255), font=font)
    return np.asarray(image)
