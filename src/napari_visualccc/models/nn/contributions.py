"""What each place of a plane adds to a number that is linear in the plane's vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_visualccc.core.progress import Progress
from napari_visualccc.models.crops import CROP, covering_regions
from napari_visualccc.models.micrographs import Micrograph, source_of
from napari_visualccc.models.nn.embedding import Embedder, Vector
from napari_visualccc.models.nn.trunk import REDUCTIONS

# A plane of up to so many crops goes through the network in one piece, as when it was made a vector.
_WHOLE = 9
_SIDE = 2 * CROP


def contributions(
    embedder: Embedder, item: Micrograph, weights: Vector, progress: Progress
) -> tuple[NDArray[np.float32], Vector]:
    """Contribution of each pixel to ``weights · vector``; their mean over the pixels that count is that number.

    Returns
    -------
    heatmap, vector
        Float32, shape of the plane (at its own pixel size), NaN where the picture does not count; and the vector of
        the whole plane.
    """
    item = replace(item, mask=item.found_mask)
    read, counts, shape = source_of(item, embedder.options)
    regions = [(slice(0, shape[0]), slice(0, shape[1]))]
    if shape[0] * shape[1] > _WHOLE * CROP * CROP:
        regions = covering_regions(shape, _SIDE)
    heat = np.zeros(shape, np.float32)
    means = []
    for number, reduction in enumerate(REDUCTIONS):
        own = weights[number * embedder.channels : (number + 1) * embedder.channels]
        linear = torch.from_numpy(own.astype(np.float32)).to(embedder.device)[:, None, None]
        sums, count = np.zeros(embedder.channels), 0.0
        for done, region in enumerate(regions):
            progress((number + done / len(regions)) / len(REDUCTIONS), "finding the regions that count")
            values, counted = (torch.from_numpy(part(region))[None, None] for part in (read, counts))
            found, share = embedder.maps(values, counted, reduction)
            sums += (found * share).sum((0, 2, 3)).double().cpu().numpy()
            count += float(share.sum())
            local = (found[0] * linear).sum(0)[None, None]
            size = (region[0].stop - region[0].start, region[1].stop - region[1].start)
            heat[region] += F.interpolate(local, size, mode="bilinear")[0, 0].cpu().numpy()
        means.append(sums / max(count, 1e-12))
    if shape != item.planes.plane_shape:
        full = torch.from_numpy(heat)[None, None]
        heat = F.interpolate(full, item.planes.plane_shape, mode="bilinear")[0, 0].numpy()
    missing = ~np.isfinite(item.planes.plane(item.index))
    heat[missing if item.mask is None else missing | item.mask] = np.nan
    return heat, np.concatenate(means).astype(np.float32)
