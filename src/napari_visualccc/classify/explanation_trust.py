"""How far a heatmap can be trusted: whether the class goes with the hot pixels, and the map with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.core.scores import rank_correlation
from napari_visualccc.models.windows import Window

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.cam import Ask
    from napari_visualccc.models.nn.explainer import Explainer, Settings

Map = NDArray[np.float32]
CONTROLS = ("random", "edges", "empty")
# Shares of the pixels at which the network is asked: 0, 1/10, … 1.
_STEPS = 10
# Insertion begins with the image blurred so much that no structure is left: this share of its shorter side.
_BLUR = 0.1
_EDGE_SMOOTHING = 1.0
# The random map of a method at the pixels has cells this large, in pixels; a layer's has the layer's cells.
_RANDOM_CELL = 16


@dataclass(frozen=True)
class Trust:
    """How one heatmap does.

    Attributes
    ----------
    insertion_auc, deletion_auc
        Mean probability of the class while pixels are shown (from a blurred image on) or hidden (in typical grey),
        hottest first: higher and lower are better [1]_.
    average_drop
        Share of the class's probability that is lost when the image is dimmed where it is cold; 0 … 1, lower is
        better [2]_.
    controls
        The two areas for maps that know nothing of the network: ``random`` (cells of the same size), ``edges``
        (Sobel) and ``empty`` (pixels in random order).

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, RISE: randomized input sampling for explanation of black-box models, BMVC 2018,
       arXiv:1806.07421.
    .. [2] Chattopadhay et al., Grad-CAM++, WACV 2018, doi 10.1109/WACV.2018.00097.
    """

    insertion_auc: float
    deletion_auc: float
    average_drop: float
    controls: Mapping[str, tuple[float, float]]

    def as_dict(self) -> dict[str, float]:
        """One flat row."""
        row = {name: getattr(self, name) for name in ("insertion_auc", "deletion_auc", "average_drop")}
        for name, (insertion, deletion) in self.controls.items():
            row |= {f"insertion_auc_{name}": insertion, f"deletion_auc_{name}": deletion}
        return row


def judge(
    explainer: Explainer, image: Map, heat: Map, target: int, region: Map | None, cells: tuple[int, int], *,
    seed: int = 0, progress: Progress | None = None,
) -> Trust:  # fmt: skip
    """Judge a heatmap on the network's own image.

    Parameters
    ----------
    explainer
        The network.
    image
        As the network sees it, shape (Y, X).
    heat
        Of the same shape.
    target
        Output that is explained.
    region
        For networks that segment: weights of the pixels asked about, summing to 1.
    cells
        Cells of the layer along y and x, for the random map.
    seed
        Of the random map and of the order of equally hot pixels.
    """
    progress = silent(progress)
    rng = random_generator(seed, 50)
    maps = {"heat": heat, "random": _random_map(image.shape, cells, rng), "edges": _edges(image),
            "empty": np.zeros_like(image)}  # fmt: skip
    tie_break = rng.permutation(image.size)
    areas = {}
    for number, (name, one) in enumerate(maps.items()):
        order = np.lexsort((tie_break, -one.ravel()))
        part = progress.part(number / len(maps), (number + 1) / len(maps))
        deletion = _area(explainer, image, np.zeros_like(image), order, target, region, part)
        areas[name] = (_area(explainer, _blurred(image), image, order, target, region, part), deletion)
    dimmed = image * (heat / max(float(heat.max()), 1e-30))
    whole, left = _probabilities(explainer, np.stack([image, dimmed]), target, region)
    drop = max(0.0, float(whole - left)) / max(float(whole), 1e-30)
    return Trust(*areas.pop("heat"), drop, areas)


def _area(
    explainer: Explainer, before: Map, after: Map, order: NDArray[Any], target: int, region: Map | None,
    progress: Progress,
) -> float:  # fmt: skip
    """Area under the probability of the class while pixels of one image are replaced by those of another."""
    batch = min(explainer.batch_of(before.shape), _STEPS + 1)
    found: list[float] = []
    for first in range(0, _STEPS + 1, batch):
        mixed = np.tile(before.ravel(), (min(batch, _STEPS + 1 - first), 1))
        for row, step in zip(mixed, range(first, _STEPS + 1), strict=False):
            replaced = order[: round(order.size * step / _STEPS)]
            row[replaced] = after.ravel()[replaced]
        found += _probabilities(explainer, mixed.reshape(-1, *before.shape), target, region).tolist()
        progress(len(found) / (_STEPS + 1), "judging the heatmaps")
    return float(np.trapezoid(found, dx=1 / _STEPS))


def _probabilities(explainer: Explainer, images: Map, target: int, region: Map | None) -> NDArray[np.float32]:
    chances = explainer.outputs(images).softmax(dim=1)[:, target].cpu().numpy()
    return chances if region is None else np.asarray((chances * region).sum(axis=(-2, -1)), np.float32)


def _random_map(shape: tuple[int, ...], cells: tuple[int, int], rng: np.random.Generator) -> Map:
    if cells == shape:
        cells = (-(-shape[0] // _RANDOM_CELL), -(-shape[1] // _RANDOM_CELL))
    stride = (shape[0] / cells[0], shape[1] / cells[1])
    drawn = rng.random(cells, np.float32)
    window = Window.whole((shape[0], shape[1]))
    return window.bring_back(drawn, stride, ((stride[0] - 1) / 2, (stride[1] - 1) / 2))


def _edges(image: Map) -> Map:
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(image, _EDGE_SMOOTHING)
    return np.asarray(np.hypot(ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)), np.float32)


def _blurred(image: Map) -> Map:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(image, _BLUR * min(image.shape)), np.float32)


def randomisation_check(
    explainer: Explainer, images: Map, ask: Ask, method: str, layer: str = "auto",
    settings: Settings | None = None, *, seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Whether heatmaps change when what the network has learnt is replaced by random weights, from the last part on.

    Parameters
    ----------
    explainer
        The network; left as it is.
    images
        Normalised, shape (N, Y, X).
    ask
        The question, answered for the network as it was learnt; asked the same of the random ones.
    method, layer, settings
        As `Explainer.explain` takes them.
    seed
        Of the random weights.

    Returns
    -------
    DataFrame
        ``random_from``: part of the network from which on, to its end, weights are random; ``rank_correlation``: mean
        Spearman correlation with the original heatmaps. A map that stays alike (near 1) to the last row shows the
        image, not what the network learnt.

    References
    ----------
    .. [1] Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, arXiv:1810.03292.
    """
    import pandas as pd

    from napari_visualccc.models.nn.cam_sanity import randomised_from_the_end, same_question

    first = explainer.explain(images, ask, method, layer, settings)
    asked = same_question(explainer, images, ask)
    rows = [{"random_from": "nothing", "rank_correlation": 1.0}]
    for name, network in silent(progress).steps(
        list(randomised_from_the_end(explainer.network, seed)), message="randomising"
    ):
        maps = explainer.with_network(network()).explain(images, asked, method, layer, settings).maps
        alike = [float(rank_correlation(a.ravel(), b.ravel())) for a, b in zip(first.maps, maps, strict=True)]
        rows.append({"random_from": name, "rank_correlation": float(np.mean(alike))})
    return pd.DataFrame(rows)
