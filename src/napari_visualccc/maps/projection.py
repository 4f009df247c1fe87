"""Vectors in the plane: UMAP, principal components, t-SNE or PaCMAP, and how far the plane can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.maps.neighbours import Matrix, nearest_neighbours
from napari_visualccc.maps.scaling import principal_axes
from napari_visualccc.maps.umap import memberships, umap_layout, umap_place

if TYPE_CHECKING:
    from napari_visualccc.maps.options import MapOptions

# Neighbours by which maps are compared, as in the literature.
QUALITY_NEIGHBOURS = 15
# Ranks of all pairs are needed: of more points a sample is judged.
_MOST_JUDGED = 2000


@dataclass(frozen=True)
class Quality:
    """How much of the vectors' neighbourhoods is left in the plane.

    Attributes
    ----------
    trustworthiness
        1 if no point has a stranger for a neighbour on the map (Venna & Kaski 2001).
    preservation
        Share of each point's nearest neighbours that are among its nearest on the map too.
    neighbours
        How many neighbours both look at.
    """

    trustworthiness: float
    preservation: float
    neighbours: int


def project(scaled: Matrix, options: MapOptions, progress: Progress | None = None) -> Matrix:
    """Lay scaled vectors out in the plane.

    Parameters
    ----------
    scaled
        Shape (N, D).
    options
        Method, neighbours, least distance and seed.

    Returns
    -------
    ndarray
        float32, shape (N, 2). Up to three points are laid out by principal components whatever the method.

    Raises
    ------
    OptionError
        If the method needs a package that is not installed.
    Cancelled
        From `progress`.
    """
    progress = silent(progress)
    count = len(scaled)
    # Identical micrographs have no directions.
    if options.method == "pca" or count <= 3 or not scaled.any():
        return _pca(scaled)
    if options.method == "umap":
        near = nearest_neighbours(scaled, min(options.neighbours, count - 1), progress=progress.part(0, 0.3))
        return umap_layout(scaled, near, min_dist=options.min_dist, seed=options.seed, progress=progress.part(0.3, 1))
    progress(0.0, f"laying out the map by {options.method}")
    compact = np.asarray(scaled @ principal_axes(scaled, 50)[0], np.float32)
    return _pacmap(compact, options) if options.method == "pacmap" else _tsne(compact, options)


def place(
    new: Matrix, scaled: Matrix, coordinates: Matrix, options: MapOptions, progress: Progress | None = None
) -> Matrix:
    """Coordinates of new vectors on a map that stays as it is.

    Parameters
    ----------
    new
        Scaled like the others, shape (M, D).
    scaled, coordinates
        Of the micrographs that are there.

    Notes
    -----
    Principal components are exact. On a UMAP the new points move by the same forces among points that stay; on the
    others they lie at the weighted mean of their neighbours.
    """
    if options.method == "pca" or len(scaled) <= 3:
        axes = principal_axes(scaled, 2)[0]
        found = (new @ axes).astype(np.float32)
        return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    near = nearest_neighbours(scaled, min(options.neighbours, len(scaled)), queries=new)
    if options.method == "umap":
        placed = umap_place(coordinates, near, min_dist=options.min_dist, seed=options.seed, progress=progress)
    else:
        weights = memberships(near.distances)[..., None]
        placed = ((weights * coordinates[near.indices]).sum(1) / weights.sum(1)).astype(np.float32)
    known = near.distances[:, 0] == 0
    placed[known] = coordinates[near.indices[known, 0]]
    return placed


def _pca(scaled: Matrix) -> Matrix:
    axes = principal_axes(scaled, 2)[0]
    found = (scaled @ axes).astype(np.float32)
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def _tsne(compact: Matrix, options: MapOptions) -> Matrix:
    perplexity = float(min(options.neighbours, (len(compact) - 1) / 3))
    try:
        from openTSNE import TSNE
    except ImportError:
        from sklearn import manifold

        plain = manifold.TSNE(perplexity=perplexity, random_state=options.seed, init="pca")
        return np.asarray(plain.fit_transform(compact), np.float32)
    return np.asarray(TSNE(perplexity=perplexity, random_state=options.seed).fit(compact), np.float32)


def _pacmap(compact: Matrix, options: MapOptions) -> Matrix:
    try:
        from pacmap import PaCMAP
    except ImportError as error:
        raise OptionError("the layout 'pacmap' needs the package pacmap: pip install pacmap, or use umap") from error
    count = min(options.neighbours, len(compact) - 1)
    return np.asarray(PaCMAP(n_neighbors=count, random_state=options.seed).fit_transform(compact), np.float32)


def judge(scaled: Matrix, coordinates: Matrix, neighbours: int = QUALITY_NEIGHBOURS) -> Quality:
    """Compare neighbourhoods of vectors and map; of many points a sample that is spread evenly over the list.

    Examples
    --------
    >>> square = np.random.default_rng(0).random((50, 2), np.float32)
    >>> judge(square, square)
    Quality(trustworthiness=1.0, preservation=1.0, neighbours=15)
    """
    if len(scaled) > _MOST_JUDGED:
        chosen = np.linspace(0, len(scaled) - 1, _MOST_JUDGED).astype(int)
        scaled, coordinates = scaled[chosen], coordinates[chosen]
    count = len(scaled)
    k = min(neighbours, (count - 1) // 2)
    if k < 1:
        return Quality(float("nan"), float("nan"), max(k, 0))
    full = nearest_neighbours(scaled, count - 1)
    on_map = nearest_neighbours(coordinates, k).indices
    ranks = np.empty((count, count), np.int64)
    np.put_along_axis(ranks, full.indices, np.arange(1, count)[None].repeat(count, 0), axis=1)
    found = np.take_along_axis(ranks, on_map, axis=1)
    penalty = np.maximum(found - k, 0).sum() * 2 / (count * k * (2 * count - 3 * k - 1))
    return Quality(float(1 - penalty), float((found <= k).mean()), k)
