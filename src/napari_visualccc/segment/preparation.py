"""Labelled images made ready for a network: normalised, at one pixel size, some kept aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import AUTO
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.resample import ResampledPlane
from napari_visualccc.core.results import fingerprint
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.windows import rescale_factors
from napari_visualccc.segment.annotations import Annotated, Dataset
from napari_visualccc.segment.coverage import labelled_share
from napari_visualccc.segment.holdout import split_targets
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    from napari_visualccc.models.nn.patches import LabelledPlane

_BATCH, _PATCH, _WIDE_PATCH = 4, 256, 512
# Largest zoom of patches: little where magnification is known (or is what tells lattices apart), else much.
_ZOOM, _ZOOM_UNKNOWN = 1.25, 2.0
# Of so many images as a rule some are magnified more than others, and a zoom only makes learning slower.
_MANY_IMAGES = 50
# Share of the patches that are turned and zoomed; if they are zoomed far, each magnification is seen more seldom.
_TURNED, _TURNED_FAR, _FAR = 0.2, 0.4, 1.5
# Minutes from which on wide patches pay.
_MUCH_TIME = 15


def common_pixel_size(items: Sequence[Annotated]) -> PixelSize:
    """Pixel size to work at: the median of the calibrated images; none if their units are not the same.

    Images without calibration among calibrated ones are then taken as they are, as if they had it.
    """
    sizes = [item.pixel_size for item in items if item.pixel_size.is_calibrated]
    if len({size.unit for size in sizes}) != 1:
        return PixelSize()
    edges = sorted(size.edge for size in sizes)
    edge = edges[len(edges) // 2]
    return PixelSize(edge, edge, sizes[0].unit)


def patch_of(options: TrainOptions, planes: Sequence[LabelledPlane], multiple: int) -> tuple[int, int]:
    """Edge of a patch and patches per step: what the user said, or what suits the images and the time there is.

    A wide patch shows more of the neighbourhood, and costs more per step: worth it when there is time. Never fewer
    than four patches of different places: batch normalisation over one image learns that image's grey values.
    """
    edge = options.patch
    if edge == AUTO:
        largest = _WIDE_PATCH if options.max_minutes >= _MUCH_TIME else _PATCH
        edge = min(largest, float(np.median([min(plane.image.shape) for plane in planes])) / 2)
    # Two multiples at least: see `models.nn.tiled`.
    patch = max(2, round(edge / multiple)) * multiple
    batch = _BATCH if options.batch == AUTO else options.batch
    return int(patch), int(batch)


def turns_of(options: TrainOptions, items: Sequence[Annotated], *, fringes: bool) -> tuple[float, float]:
    """Share of patches that are turned and zoomed, and the largest zoom: what the user said, or what suits the images.

    Images that tell their pixel size are resampled to the model's before it looks at them; of others the magnification
    may be any, which many images show themselves. Fringes (`fringes`: whether the network looks at them) are told by
    their spacing, which a zoom changes.
    """
    known = common_pixel_size(items).is_calibrated and all(item.pixel_size.is_calibrated for item in items)
    suiting = _ZOOM if known or fringes or len(items) >= _MANY_IMAGES else _ZOOM_UNKNOWN
    zoom = float(suiting if options.scale == AUTO else options.scale)
    share = _TURNED_FAR if zoom > _FAR else _TURNED
    return float(share if options.rotation == AUTO else options.rotation), zoom


def planes_of(
    dataset: Dataset, validation: Dataset | None, size: PixelSize, options: TrainOptions, progress: Progress
) -> tuple[list[LabelledPlane], list[LabelledPlane], dict[str, Any]]:
    """Planes to learn from and to measure on, at the working pixel size, and what is measured on.

    The last is for the metrics: ``"held_out"`` in words, and ``"labelled_share"``, the share of the pixels of those
    images that have a label.
    """
    every = list(_labelled(dataset, size, progress))
    if validation is not None:
        others = replace(dataset, items=validation.items)
        measured = list(_labelled(others, size, progress))
        about = _about("validation images", [plane.labels for plane in measured])
        return [p for p in every if _any(p.labels)], measured, about
    split = split_targets(
        [plane.labels for plane in every], len(dataset.classes), options.validation, options.seed,
        [plane.stack for plane in every],
    )  # fmt: skip

    def chosen(labels: Sequence[NDArray[np.uint8] | None]) -> list[LabelledPlane]:
        return [
            replace(plane, labels=own)
            for plane, own in zip(every, labels, strict=True)
            if own is not None and _any(own)
        ]

    looked_at = [p.labels for p, own in zip(every, split.validation, strict=True) if own is not None and _any(own)]
    return chosen(split.training), chosen(split.validation), _about(split.kind, looked_at)


def _about(kind: str, labels: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    return {"held_out": kind, "labelled_share": labelled_share(labels)}


def _any(labels: NDArray[np.uint8]) -> bool:
    return bool((labels != UNLABELLED).any())


def _labelled(dataset: Dataset, size: PixelSize, progress: Progress) -> Iterator[LabelledPlane]:
    from napari_visualccc.models.nn.patches import LabelledPlane

    # An image that is there under several names is one: what is learnt from one of them is known of the others.
    first: dict[tuple[str, PixelSize], int] = {}
    numbers = [
        first.setdefault((fingerprint(item.image), item.pixel_size), number)
        for number, item in enumerate(dataset.items)
    ]
    places = [
        (number, item, index)
        for number, item in zip(numbers, dataset.items, strict=True)
        for index in range(len(item.image))
    ]
    for number, item, index in progress.steps(places, message="reading the images"):
        targets = dataset.targets(item, index)
        if _any(targets):
            image = image_at(item, index, size)
            yield LabelledPlane(image, targets_at(targets, image.shape), number)


def image_at(item: Annotated, index: int, size: PixelSize) -> NDArray[np.float32]:
    """Normalised grey values of a plane at a pixel size."""
    scale = GreyScale.of_plane(item.image, index)
    factors = rescale_factors(item.pixel_size, size)
    shape = item.image.plane_shape
    image = scale.read(item.image, index, (slice(0, shape[0]), slice(0, shape[1])))
    if factors != (1.0, 1.0):
        plane = ResampledPlane(image.__getitem__, shape, factors)
        image = plane.read((slice(0, plane.shape[0]), slice(0, plane.shape[1])))
    return np.ascontiguousarray(image)


def targets_at(targets: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Labels on the grid of a resampled image."""
    return targets if targets.shape == shape else _nearest(targets, shape)


def _nearest(labels: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return np.ascontiguousarray(labels[np.ix_(rows, columns)])
