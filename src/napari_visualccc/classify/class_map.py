"""The class of each place of a large field, in a window that slides over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.options import PredictOptions
from napari_visualccc.core.params import AUTO
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import allocate
from napari_visualccc.core.tiles import overlapping_tiles
from napari_visualccc.models.micrographs import Micrograph

if TYPE_CHECKING:
    from napari_visualccc.classify.model import ClassificationModel
    from napari_visualccc.classify.vectors import Looker

_LEAST_WINDOW = 64


def map_classes(
    model: ClassificationModel, planes: Planes, options: PredictOptions, size: PixelSize, looker: Looker,
    progress: Progress,
) -> tuple[NDArray[Any], NDArray[np.float32]]:  # fmt: skip
    """Class and its probability at each pixel, both in the shape of the source.

    Each window is looked at as if it were a plane of its own. A pixel gets the mean of the probabilities of the windows
    that it lies in, those in whose middle it lies counting most. Label 0 is where the source has no finite value.
    """
    window, stride = window_of(planes.plane_shape, options, int(model.card.architecture.get("side", 256)))
    tiles = overlapping_tiles(planes.plane_shape, window, window - stride)
    values = np.array([one.value for one in model.card.classes])
    labels = allocate(planes.shape, np.min_scalar_type(int(values.max())))
    certainty = allocate(planes.shape, np.float32)
    for index in range(len(planes)):
        part = progress.part(index / len(planes), (index + 1) / len(planes))
        probabilities = _of_windows(model, planes, index, tiles, size, looker, part)
        total = np.zeros((len(values), *planes.plane_shape), np.float32)
        weight = np.zeros(planes.plane_shape, np.float32)
        for tile, chances in zip(tiles, probabilities, strict=True):
            bell = _bell(tile.core)
            total[:, tile.core[0], tile.core[1]] += chances[:, None, None] * bell
            weight[tile.core] += bell
        mean = total / weight
        finite = np.isfinite(planes.read(index))
        labels[index] = np.where(finite, values[mean.argmax(axis=0)], 0)
        certainty[index] = np.where(finite, mean.max(axis=0), np.nan)
    return planes.fold(labels), planes.fold(certainty)


def window_of(shape: tuple[int, int], options: PredictOptions, side: int) -> tuple[int, int]:
    """Edge of the window and its step, in pixels, for a plane of some shape.

    Examples
    --------
    >>> window_of((2048, 4096), PredictOptions(), 480)
    (480, 120)
    >>> window_of((300, 400), PredictOptions(window=4096, stride=4096), 480)
    (300, 300)
    """
    shorter = min(shape)
    window = min(side, max(_LEAST_WINDOW, shorter // 2)) if options.window == AUTO else int(options.window)
    window = min(window, shorter)
    stride = max(1, window // 4) if options.stride == AUTO else int(options.stride)
    return window, min(stride, window)


def _of_windows(
    model: ClassificationModel, planes: Planes, index: int, tiles: list[Any], size: PixelSize, looker: Looker,
    progress: Progress,
) -> NDArray[np.float32]:  # fmt: skip
    items, known = [], []
    for number, tile in enumerate(tiles):
        values = planes.plane(index, tile.core)
        if np.isfinite(values).any():
            items.append(Micrograph(Planes(values, rgb=False, name=planes.name), 0, size))
            known.append(number)
    result = np.full((len(tiles), len(model.card.classes)), 1 / len(model.card.classes), np.float32)
    if items:
        result[known] = model.probabilities(looker.look(items, progress=progress, remember=False).vectors)
    return result


def _bell(core: tuple[slice, slice]) -> NDArray[np.float32]:
    """Weights of a window's pixels: most in the middle, never nothing."""
    sides = []
    for part in core:
        n = part.stop - part.start
        sides.append(np.maximum(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2, 1e-3))
    return np.asarray(np.outer(*sides), np.float32)
