"""From signals and results to napari's layer data: the one place that sets scale, units, names and metadata.

Nothing here imports napari; a layer is a tuple ``(data, keywords, type)``. Every layer gets ``units``: a single
layer left at napari's default ``pixel`` switches unit-aware rendering off for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from napari_visualccc.core.lengths import pixel_size_text
from napari_visualccc.core.pixel_size import PIXEL, Axis, PixelSize
from napari_visualccc.core.results import Result
from napari_visualccc.core.signals import ImageSignal

LayerData = tuple[Any, dict[str, Any], str]
METADATA_KEY = "visualccc"
# Contrast limits that a result came with: other ones are the user's, and stay.
LIMITS_KEY = "limits"
SEPARATOR = " · "


def napari_unit(unit: str) -> str:
    """Unit as pint reads it; its ``px`` is a CSS length, so ours becomes ``pixel``."""
    return "pixel" if unit == PIXEL else unit


@dataclass(frozen=True)
class Placement:
    """Where a layer lies in the world: what a result takes over from its source.

    Attributes
    ----------
    name
        Name of the source layer or file.
    scale, translate, units, axis_labels
        As napari keeps them, one entry per dimension of the source without its colour axis.
    metadata
        Entries that the result inherits (names of planes, say).
    """

    name: str
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_signal(cls, signal: ImageSignal) -> Placement:
        """Placement of a signal that was read from a file."""
        return cls(
            name=signal.name,
            scale=tuple(axis.scale for axis in signal.axes),
            translate=tuple(axis.offset for axis in signal.axes),
            units=tuple(napari_unit(axis.unit) for axis in signal.axes),
            axis_labels=axis_labels(signal.axes),
        )

    @classmethod
    def of_plane(cls, name: str, size: PixelSize) -> Placement:
        """Placement of a single plane at the origin."""
        return cls(name, (size.y, size.x), (0.0, 0.0), (napari_unit(size.unit),) * 2, ("y", "x"))

    def regridded(self, spacing: tuple[float, float], origin: tuple[float, float]) -> Placement:
        """Place of planes whose pixels are `spacing` of ours apart, the first of them at `origin` (y, x) of ours."""
        scale = tuple(s * n for s, n in zip(self.scale[-2:], spacing, strict=True))
        moved = tuple(t + s * n for t, s, n in zip(self.translate[-2:], self.scale[-2:], origin, strict=True))
        return replace(self, scale=self.scale[:-2] + scale, translate=self.translate[:-2] + moved)

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of a napari layer."""
        words: dict[str, Any] = {"scale": self.scale, "translate": self.translate, "units": self.units}
        if self.axis_labels:
            words["axis_labels"] = self.axis_labels
        return words


def axis_labels(axes: tuple[Axis, ...]) -> tuple[str, ...]:
    """Names of axes, made distinct: napari wants no two alike."""
    names: list[str] = []
    for axis in axes:
        name, count = axis.name, 2
        while name in names:
            name, count = f"{axis.name}{count}", count + 1
        names.append(name)
    return tuple(names)


def signal_layer(signal: ImageSignal, number: int | None = None) -> LayerData:
    """Layer that shows a signal, with scale, units, axis names and instrument metadata.

    `number` is that of the signal in a file that holds several.
    """
    place = Placement.of_signal(signal)
    about = {
        "path": str(signal.path),
        "signal": number,
        "pixel_size": pixel_size_text(signal.pixel_size),
        "instrument": dict(signal.metadata),
        "notes": list(signal.notes),
        "plane_names": list(signal.plane_names),
    }
    words = place.keywords() | {"name": signal.name, "rgb": signal.rgb, "metadata": {METADATA_KEY: about}}
    return signal.data, words, "image"


def result_layers(result: Result, source: Placement) -> list[LayerData]:
    """Layers that show a result over its source: same place, named ``<source> · <title>``, with provenance."""
    shown: list[LayerData] = []
    for layer in result.layers:
        words = source.keywords() | {
            "name": source.name + SEPARATOR + layer.title,
            "metadata": {METADATA_KEY: {"provenance": result.provenance.as_dict(), **source.metadata}},
        }
        if layer.kind == "labels":
            words["opacity"] = 0.5
            if layer.colours:
                words["colormap"] = {None: (0.0, 0.0, 0.0, 0.0), 0: (0.0, 0.0, 0.0, 0.0), **layer.colours}
            if layer.table is not None:
                words["features"] = features_table(layer.table)
        elif layer.colormap:
            # Added to the grey of the source, cold places let it through unchanged.
            words |= {"colormap": layer.colormap, "blending": "additive", "opacity": 0.7}
            if layer.limits is not None:
                words["contrast_limits"] = words["metadata"][METADATA_KEY][LIMITS_KEY] = layer.limits
        shown.append((layer.data, words, layer.kind))
    return shown


def features_table(table: Any) -> Any:
    """Table as napari's Features widget wants it: an ``index`` column that holds the label."""
    return table.rename(columns={"label": "index"})
