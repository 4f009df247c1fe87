"""File → Open Sample: the simulated micrographs and their truth as calibrated layers."""

from __future__ import annotations

from typing import Any

from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.results import Colour
from napari_visualccc.layers import METADATA_KEY, SEPARATOR, LayerData, Placement, axis_labels, napari_unit
from napari_visualccc.samples.sample import Sample


def lithium_layers() -> list[LayerData]:
    """Lithium deposits, dendritic and spherical in turn."""
    from napari_visualccc.samples.lithium import lithium

    return sample_layers(lithium())


def hrtem_layers() -> list[LayerData]:
    """HRTEM of a lithium interphase."""
    from napari_visualccc.samples.hrtem import hrtem

    return sample_layers(hrtem())


def porous_layers() -> list[LayerData]:
    """Series of porous superconducting films."""
    from napari_visualccc.samples.porous import porous

    return sample_layers(porous())


def sample_layers(sample: Sample) -> list[LayerData]:
    """Image with its truth above it, hidden at first."""
    axes: tuple[Axis, ...] = sample.axes
    image, labels = sample.image, sample.labels
    if len(image) == 1:
        axes, image, labels = axes[1:], image[0], labels[0]
    place = Placement(
        sample.name,
        tuple(axis.scale for axis in axes),
        tuple(axis.offset for axis in axes),
        tuple(napari_unit(axis.unit) for axis in axes),
        axis_labels(axes),
    )
    about: dict[str, Any] = {
        "plane_labels": list(sample.plane_labels),
        "truth": sample.table.to_dict("list"),
        "simulation": dict(sample.about),
    }
    shared = place.keywords() | {"metadata": {METADATA_KEY: about}}
    clear: Colour = (0.0, 0.0, 0.0, 0.0)
    colours: dict[int | None, Colour] = {None: clear, 0: clear}
    colours.update(sample.colours.items())
    truth = shared | {
        "name": sample.name + SEPARATOR + "truth",
        "visible": False,
        "opacity": 0.5,
        "colormap": colours,
        "features": {"index": list(sample.class_names), "name": list(sample.class_names.values())},
    }
    return [(image, shared | {"name": sample.name}, "image"), (labels, truth, "labels")]
