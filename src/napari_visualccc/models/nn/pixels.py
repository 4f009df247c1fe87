"""A small network that classifies pixels by their pyramid of features, and how it learns from painted ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.models.nn import spectra
from napari_visualccc.models.nn.context import LEVEL, Context
from napari_visualccc.models.nn.pyramid import BAND_ROWS, Levels, feature_count, maps_dtype, pyramid_of, with_features

# In the card: tells this network from an encoder with a decoder.
KIND = "pixels"
# Painted pixels of one class beyond this teach a classifier of this size nothing more.
MOST_PER_CLASS = 4000
_HIDDEN = 16
# Features of a context are many and coarse: their weights cost more, as if the features were smaller by this factor, so
# that they are used where the others do not do. Mean IoU from strokes at 1, 0.5, 0.25, 0.1 and without them: superalloy
# 0.743, 0.755, 0.758, 0.738, 0.728; simulated films 0.845, 0.871, 0.879, 0.878, 0.875.
_CONTEXT_SCALE = 0.25
# The same of the power spectrum. Strokes on simulated interphases, mean of three, at 1, 0.5, 0.25, 0.1: 0.846, 0.849,
# 0.833, 0.782; from two masks 0.889, 0.890, 0.882, 0.845.
_SPECTRUM_SCALE = 0.5
# With fewer pixels of a phase than this they cost still more: after a single dab they tell where it is, not what.
_MUCH_PAINTED = 300
_DECAY = 3e-3
# A feature that hardly varies among the painted pixels must not become huge elsewhere (images have a deviation of 1).
_LEAST_DEVIATION = 0.02


class PixelClassifier(nn.Module):
    """Two layers on standardised features.

    Parameters
    ----------
    levels
        Number of pyramid levels.
    classes
        Number of classes.
    context
        Gives further features; kept with the classifier, but not trained.
    lattice
        Whether the local power spectrum gives further features (`spectra`).
    """

    multiple = 1
    # Derivatives need all digits of the grey values: only the feature maps are kept in half precision.
    computes_in_float32 = True

    def __init__(self, levels: int, classes: int, context: Context | None = None, lattice: bool = False) -> None:
        super().__init__()
        inputs = feature_count(levels) + sum(stop - start for start, stop, _ in added_columns(context, lattice))
        self.levels, self.classes, self.context, self.lattice = levels, classes, context, lattice
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        # Added to the scores: logarithms of how much more common classes are than what was learnt from says.
        self.register_buffer("shift", torch.zeros(classes))
        self.first = nn.Linear(inputs, _HIDDEN)
        self.second = nn.Linear(_HIDDEN, classes)

    def as_dict(self) -> dict[str, Any]:
        """What is needed to build it again, for the card."""
        context = self.context.name if self.context is not None else ""
        found = {"kind": KIND, "levels": self.levels, "classes": self.classes, "context": context}
        return found | {"lattice": self.lattice}

    def standardise_by(self, features: torch.Tensor) -> None:
        """Bring features to mean 0 and deviation 1 as they are among these pixels, shape (pixels, features)."""
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(1 / features.std(dim=0, correction=0).clamp_min(_LEAST_DEVIATION))

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def go_on_from(self, other: PixelClassifier) -> None:
        """Take over what another classifier of the same shape has learnt, whatever it standardised its features by."""
        weight = other.first.weight * other.scale
        self.first.weight.copy_(weight / self.scale)
        self.first.bias.copy_(other.first.bias + weight @ (self.mean - other.mean))
        self.second.load_state_dict(other.second.state_dict())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores of shape (N, classes, Y, X) of normalised images of shape (N, 1, Y, X)."""
        return torch.cat([torch.cat(list(self._bands(self._features(image[None]))), dim=2) for image in images])

    def _features(self, image: torch.Tensor) -> Levels:
        device = image.device.type
        dtype = maps_dtype(device)
        levels = pyramid_of(image, self.levels, dtype)
        if self.context is not None:
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                levels = with_features(levels, LEVEL, self.context(image))
        if self.lattice:
            levels = with_features(levels, spectra.LEVEL, spectra.spectra_of(image))
        return levels

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Class scores of single pixels from `features_at`, shape (pixels, classes)."""
        return self.second(F.relu(self.first((features - self.mean) * self.scale))) + self.shift

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def probabilities(self, levels: Levels) -> torch.Tensor:
        """Class probabilities of all pixels, float32, shape (classes, Y, X)."""
        return torch.cat([scores.float().softmax(dim=1) for scores in self._bands(levels)], dim=2)[0]

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def labels(self, levels: Levels) -> NDArray[np.uint8]:
        """Class of each pixel, shape (Y, X): faster than the probabilities, for refreshing while one paints."""
        return np.concatenate([scores.argmax(dim=1)[0].to(torch.uint8).numpy() for scores in self._bands(levels)])

    def _bands(self, levels: Levels) -> Iterator[torch.Tensor]:
        """Class scores of bands of rows, from top to bottom."""
        dtype = levels[0].dtype
        weight = self.first.weight * self.scale  # standardisation folded in
        bias = (self.first.bias - weight @ self.mean).to(dtype)
        parts = weight.to(dtype).split([level.shape[1] for level in levels], dim=1)
        hidden: torch.Tensor | None = None
        for level, part in zip(reversed(levels[1:]), reversed(parts[1:]), strict=True):
            own = F.conv2d(level, part[..., None, None])
            hidden = own if hidden is None else own.add_(_enlarged(hidden, own.shape[-2:]))
        fine = levels[0]
        height, width = fine.shape[-2:]
        last, shift = self.second.weight[..., None, None].to(dtype), (self.second.bias + self.shift).to(dtype)
        for top in range(0, height, BAND_ROWS):
            bottom = min(top + BAND_ROWS, height)
            sums = F.conv2d(fine[:, :, top:bottom], parts[0][..., None, None], bias)
            if hidden is not None:
                # one more row on either side, so that bands join without a seam
                first, stop = max(top // 2 - 1, 0), min((bottom + 1) // 2 + 1, hidden.shape[-2])
                more = _enlarged(hidden[:, :, first:stop], (2 * (stop - first), 2 * hidden.shape[-1]))
                sums += more[:, :, top - 2 * first : bottom - 2 * first, :width]
            yield F.conv2d(F.relu_(sums), last, shift)


def _enlarged(values: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Twice as large by linear interpolation, cut to size; `interpolate` takes twice as long in half precision."""
    channels_last = values.permute(0, 2, 3, 1)
    made = _doubled(_doubled(channels_last, 1), 2)
    return made.permute(0, 3, 1, 2)[..., : size[0], : size[1]]


def _doubled(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Two for each along an axis, a quarter of a pixel before and behind it; the border is repeated."""
    count = values.shape[axis]
    before = torch.cat([values.narrow(axis, 0, 1), values.narrow(axis, 0, count - 1)], axis)
    behind = torch.cat([values.narrow(axis, 1, count - 1), values.narrow(axis, count - 1, 1)], axis)
    pairs = torch.stack([torch.lerp(values, before, 0.25), torch.lerp(values, behind, 0.25)], axis + 1)
    return pairs.flatten(axis, axis + 1)


def added_columns(context: Context | None, lattice: bool) -> list[tuple[int, int, float]]:
    """Columns that context and power spectrum add to the features of the pyramid: start, stop, and their scale."""
    found = []
    width = context.channels if context is not None else 0
    if width:
        start = feature_count(LEVEL + 1)
        found.append((start, start + width, _CONTEXT_SCALE))
    if lattice:
        start = feature_count(spectra.LEVEL + 1) + width
        found.append((start, start + spectra.CHANNELS, _SPECTRUM_SCALE))
    return found


@dataclass(frozen=True)
class PaintedPixels:
    """Painted pixels of one image.

    Attributes
    ----------
    features
        From `features_at`.
    labels
        Class of each, 0 … classes - 1.
    """

    features: torch.Tensor
    labels: NDArray[np.int64]


def fit_pixels(
    painted: Sequence[PaintedPixels],
    levels: int,
    classes: int,
    *,
    seed: int = 0,
    start: PixelClassifier | None = None,
    context: Context | None = None,
    lattice: bool = False,
    progress: Progress | None = None,
) -> PixelClassifier:
    """Train a classifier on painted pixels; every class counts alike.

    Parameters
    ----------
    painted
        Pixels of all images.
    levels, classes
        Shape of the classifier.
    seed
        Of the random beginning.
    start
        Classifier of a moment ago, to begin with if it is of use: a few steps are enough then.
    context, lattice
        What some of the features come from.
    progress
        Cancels.
    """
    progress = silent(progress)
    features = torch.cat([one.features for one in painted])
    labels = torch.from_numpy(np.concatenate([one.labels for one in painted]))
    counts = torch.bincount(labels, minlength=classes).float()
    weights = torch.where(counts > 0, len(labels) / counts.clamp_min(1), 0.0)
    weights = weights / weights.sum()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PixelClassifier(levels, classes, context, lattice)
    warm = start is not None and start.as_dict() == network.as_dict() and _is_of_use(start, features, labels, weights)
    network.standardise_by(features)
    if warm and start is not None:
        network.go_on_from(start)
    # Weights of the added features cost more the fewer pixels were painted.
    cost = torch.ones(features.shape[1])
    painted_share = min(1.0, float(counts[counts > 0].min()) / _MUCH_PAINTED)
    for first, stop, scale in added_columns(context, lattice):
        cost[first:stop] = (scale * painted_share) ** -2
        if not warm:
            with torch.no_grad():
                network.first.weight[:, first:stop] *= scale * painted_share
    standard = (features - network.mean) * network.scale
    optimiser = torch.optim.LBFGS(
        [*network.first.parameters(), *network.second.parameters()], max_iter=8, history_size=10,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        progress.check()
        optimiser.zero_grad()
        scores = network.second(F.relu(network.first(standard)))
        decay = (network.first.weight.square() * cost).sum() + network.second.weight.square().sum()
        value = F.cross_entropy(scores, labels, weights) + _DECAY * decay
        value.backward()
        return value

    before = float("inf")
    for _ in range(1 if warm else 12):
        now = float(optimiser.step(loss).detach())
        if before - now < 1e-4 * abs(before):
            break
        before = now
    network.eval()
    return network


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _is_of_use(start: PixelClassifier, features: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> bool:
    """False if a classifier does worse than one that takes all painted classes for equally likely.

    So it is once painted phases were exchanged: a few steps do not lead from there to where it should be.
    """
    loss = F.cross_entropy(start.classify(features) - start.shift, labels, weights)
    return float(loss) < math.log(int((weights > 0).sum()))


@torch.inference_mode()  # type: ignore[untyped-decorator]
def probabilities_at(network: PixelClassifier, features: torch.Tensor) -> NDArray[np.float32]:
    """Class probabilities of single pixels from `features_at`, shape (pixels, classes)."""
    found: NDArray[np.float32] = network.classify(features).softmax(dim=1).numpy()
    return found


def some_places(shape: tuple[int, int], most: int) -> NDArray[np.int64]:
    """At most about so many pixels, spread evenly over a plane; shape (pixels, 2)."""
    step = max(1.0, (shape[0] * shape[1] / most) ** 0.5)
    rows, columns = ((np.arange(0.5 * step, n, step)).astype(np.int64) for n in shape)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def chosen_places(labels: NDArray[Any], classes: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Painted pixels to learn from, at most `MOST_PER_CLASS` of each class, and their classes."""
    rng = np.random.default_rng(seed)
    places, found = [], []
    for label in range(classes):
        flat = np.flatnonzero(labels.ravel() == label)
        if len(flat) > MOST_PER_CLASS:
            flat = np.sort(rng.choice(flat, MOST_PER_CLASS, replace=False))
        places.append(np.stack(np.divmod(flat, labels.shape[1]), axis=1))
        found.append(np.full(len(flat), label, np.int64))
    return np.concatenate(places), np.concatenate(found)
