"""What each place of a plane adds to a number that is linear in the plane's vector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_visualccc.core.planes import Region
from napari_visualccc.core.progress import Progress
from napari_visualccc.models.crops import CROP, covering_regions
from napari_visualccc.models.micrographs import Micrograph, source_of
from napari_visualccc.models.nn.embedding import LEVELS, REDUCTIONS, Embedder, Vector

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
    read, counts, shape = source_of(item, embedder.options)
    regions = [(slice(0, shape[0]), slice(0, shape[1]))]
    if shape[0] * shape[1] > _WHOLE * CROP * CROP:
        regions = covering_regions(shape, _SIDE)
    total = len(regions) * len(REDUCTIONS) * 2
    sums: list[list[Any]] = [[np.zeros(c), np.zeros(c), 0.0] for _ in REDUCTIONS for c in embedder.channels]

    def passes(first: int) -> Iterator[tuple[int, Region, torch.Tensor, torch.Tensor]]:
        done = first
        for number, reduction in enumerate(REDUCTIONS):
            for region in regions:
                progress(done / total, "finding the regions that count")
                done += 1
                values = torch.from_numpy(read(region))[None, None]
                counted = torch.from_numpy(counts(region))[None, None]
                maps, shares = embedder.maps(values, counted, reduction)
                for level, (found, share) in enumerate(zip(maps, shares, strict=True)):
                    yield number * len(LEVELS) + level, region, found, share

    for place, _, found, share in passes(0):
        kept = sums[place]
        kept[0] = kept[0] + (found * share).sum((0, 2, 3)).double().cpu().numpy()
        kept[1] = kept[1] + (found * found * share).sum((0, 2, 3)).double().cpu().numpy()
        kept[2] = kept[2] + float(share.sum())
    means = [first / max(count, 1e-12) for first, _, count in sums]
    spreads = [
        np.sqrt(np.maximum(second / max(count, 1e-12) - mean**2, 0))
        for (_, second, count), mean in zip(sums, means, strict=True)
    ]
    vector = np.concatenate([part for pair in zip(means, spreads, strict=True) for part in pair]).astype(np.float32)
    heat = np.zeros(shape, np.float32)
    starts = np.cumsum([0] + [2 * len(mean) for mean in means])
    for place, region, found, _ in passes(total // 2):
        count = len(means[place])
        own = weights[starts[place] : starts[place + 1]]
        linear, squared = (torch.from_numpy(one.astype(np.float32))[:, None, None].to(found.device) for one in (
            own[:count], np.where(spreads[place] > 0, own[count:] / np.maximum(spreads[place], 1e-12), 0)))  # fmt: skip
        mean = torch.from_numpy(means[place].astype(np.float32))[:, None, None].to(found.device)
        local = (found[0] * linear + (found[0] - mean) ** 2 * squared).sum(0)
        size = (region[0].stop - region[0].start, region[1].stop - region[1].start)
        heat[region] += F.interpolate(local[None, None], size, mode="bilinear")[0, 0].cpu().numpy()
    if shape != item.planes.plane_shape:
        full = torch.from_numpy(heat)[None, None]
        heat = F.interpolate(full, item.planes.plane_shape, mode="bilinear")[0, 0].numpy()
    missing = ~np.isfinite(item.planes.plane(item.index))
    heat[missing if item.mask is None else missing | item.mask] = np.nan
    return heat, vector
