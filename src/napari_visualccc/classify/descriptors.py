"""Texture and shapes of a plane: numbers that need no learning, beside what the encoder sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify import shapes, texture
from napari_visualccc.models.crops import CROP, crop_regions
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.micrographs import Micrograph, source_of

BLOCKS = (texture.SIZE, shapes.SIZE)
SIZE = sum(BLOCKS)
# Changes whenever the same plane is described by other numbers.
RECIPE = "1"


def describe_plane(micrograph: Micrograph, options: EmbeddingOptions) -> NDArray[np.float32]:
    """Texture and shapes of a plane, shape (SIZE,); of a large one, the mean over crops spread evenly."""
    read, counts, shape = source_of(micrograph, options)
    parts = []
    for region in crop_regions(shape, options.crops, CROP):
        values, shown = read(region), counts(region) > 0
        parts.append(np.concatenate([texture.texture_of(values, shown), shapes.shapes_of(values, shown)]))
    return np.asarray(np.mean(parts, axis=0), np.float32)
