"""Colours of labels: the same in layer, table, legend and report."""

from __future__ import annotations

from collections.abc import Mapping

from napari_visualccc.core.results import Colour

# Tol's "bright", "muted" and "light" schemes: told apart also by the colour-blind, on grey. https://personal.sron.nl/~pault/
_PALETTE = (
    "4477AA", "EE6677", "228833", "CCBB44", "66CCEE", "AA3377", "EE7733", "332288", "44AA99", "882255",
    "999933", "FFAABB",
)  # fmt: skip


def label_colours(count: int) -> dict[int, Colour]:
    """Colour of labels 1 … count; a label keeps its colour whatever the count."""
    return {label: label_colour(label) for label in range(1, count + 1)}


def label_colour(label: int) -> Colour:
    """Colour of a label from 1 on, RGBA in 0 … 1."""
    if label <= len(_PALETTE):
        text = _PALETTE[label - 1]
        red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
        return red, green, blue, 1.0
    import colorsys

    hue = (label * 0.618034) % 1  # golden-ratio steps: neighbours never look alike
    return *colorsys.hsv_to_rgb(hue, 0.55, 0.85), 1.0


def colours_by_name(
    values: Mapping[int, str], names: Mapping[int, str], colours: Mapping[int, Colour]
) -> dict[int, Colour]:
    """Colours of those labels that are called the same in `values` (of a result) as in `names` (of the colours)."""
    return {label: colour for label, colour in colours.items() if label in values and values[label] == names.get(label)}
