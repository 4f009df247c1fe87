"""Segmentation in a blink: a pixel classifier that learns from strokes while they are painted."""

from __future__ import annotations

import shlex
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.params import AUTO, to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Result, Stopwatch, fingerprint
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.segment.annotations import Annotated, Dataset
from napari_visualccc.segment.coverage import is_sparse, labelled_share
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.notes import data_flags, on_pixel_sizes, some_of
from napari_visualccc.segment.options import QuickOptions
from napari_visualccc.segment.preparation import common_pixel_size, image_at, targets_at
from napari_visualccc.segment.shares import share_ratios

if TYPE_CHECKING:
    import torch

    from napari_visualccc.models.nn.context import Context
    from napari_visualccc.models.nn.pixels import PixelClassifier
    from napari_visualccc.models.nn.pyramid import Levels

# Pyramids take about 16 bytes per pixel: this is a stack of thirty planes of 2 megapixels.
_MOST_KEPT_BYTES = 1 << 30
# Pixels per plane that tell how common phases are.
_SAMPLED = 10_000


@dataclass(frozen=True)
class QuickResult(Result):
    """A pixel classifier and how it came about.

    Attributes
    ----------
    model
        To be used like any other segmentation model.
    pixels
        Painted pixels that it learnt from.
    """

    model: SegmentationModel
    pixels: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing the model."""
        return tuple(self.model.card.training["remarks"])


class QuickSegmenter:
    """Trains a pixel classifier on strokes, again and again as more are painted.

    Features of planes are kept between calls, so that another stroke takes a moment.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = rng.normal(0, 1, (64, 64)); image[:, 32:] += 8
    >>> strokes = np.zeros((64, 64), np.uint8); strokes[5:9, 5:20] = 1; strokes[5:9, 40:60] = 2
    >>> from napari_visualccc.segment import annotated, dataset_of_strokes
    >>> quick = QuickSegmenter()
    >>> model = quick.fit(dataset_of_strokes([annotated(image, strokes)])).model
    >>> predict(model, image).labels[:, [3, 60]].mean(axis=0).tolist()
    [1.0, 2.0]
    """

    def __init__(self, options: QuickOptions | None = None) -> None:
        self.options = options or QuickOptions()
        self._classifier: PixelClassifier | None = None
        self._classes: tuple[Any, ...] = ()
        self._kept: OrderedDict[tuple[Any, ...], tuple[Planes, Levels]] = OrderedDict()
        self._size = PixelSize()
        self._lattice = False
        self._shares: dict[tuple[Any, ...], tuple[Planes, float]] = {}
        self._hashed: dict[int, tuple[Planes, str]] = {}
        self._samples: dict[int, torch.Tensor] = {}

    def fit(
        self, dataset: Dataset, *, arguments: Sequence[str] | None = None, progress: Progress | None = None
    ) -> QuickResult:
        """Learn from all labels; goes on from the last time if the classes are the same.

        Parameters
        ----------
        dataset
            Images with strokes (or masks, of which some thousand pixels per class are drawn).
        arguments
            How the command line is told of the data, for the record.
        progress
            Reports and cancels.

        Raises
        ------
        InputError
            If no labelled pixel has a value, or all have the same class.
        """
        from napari_visualccc.models.nn.pixels import PaintedPixels, chosen_places, fit_pixels
        from napari_visualccc.models.nn.pyramid import features_at

        watch = Stopwatch()
        progress = silent(progress)
        classes = len(dataset.classes)
        self._size = common_pixel_size(dataset.items)
        planes = [(item, index, dataset.targets(item, index)) for item, index in dataset.planes]
        planes = [plane for plane in planes if (plane[2] != UNLABELLED).any()]
        self._lattice = self._looks_at_lattice([(item, index) for item, index, _ in planes])
        painted, others, pixels_seen = [], [], 0
        for item, index, targets in progress.part(0, 0.8).steps(planes, message="looking at the strokes"):
            levels = self._features(item, index)
            places, labels = chosen_places(targets_at(targets, tuple(levels[0].shape[-2:])), classes, self.options.seed)
            painted.append(PaintedPixels(features_at(levels, places), labels))
            if self.options.shares and is_sparse(labelled_share([targets])):
                others.append(self._sampled(levels))
                pixels_seen += targets.size
        found = np.unique(np.concatenate([one.labels for one in painted])) if painted else np.empty(0)
        if len(found) < 2:
            raise InputError("there is nothing to tell apart: paint pixels of at least two phases that have a value")
        start = self._classifier if self._classes == dataset.classes else None
        progress(0.85, "learning")
        self._classifier = fit_pixels(
            painted, self.options.levels, classes, seed=self.options.seed, start=start, context=self._context(),
            lattice=self._lattice, progress=progress.quiet(),
        )  # fmt: skip
        if others:
            counts = np.bincount(np.concatenate([one.labels for one in painted]), minlength=classes)
            _correct_shares(self._classifier, others, counts, pixels_seen)
        self._classes = dataset.classes
        pixels = sum(len(one.labels) for one in painted)
        data = [{"name": item.name, "hash": self._fingerprint(item.image)} for item in dataset.items]
        used = {id(item.image.source) for item in dataset.items}
        self._hashed = {key: kept for key, kept in self._hashed.items() if key in used}
        names = some_of([item.name for item in dataset.items])
        command = ["visualccc", "segment", "train", "--quick", *data_flags(dataset, arguments)]
        command += to_arguments(self.options)
        provenance = Provenance(
            "segment quick", self.options.as_dict(), names, data[0]["hash"],
            shlex.join(command), self.options.seed, None, watch.seconds,
        )  # fmt: skip
        card = ModelCard(
            "segment", self._classifier.as_dict(), dataset.classes, self._size, GreyScale.METHOD,
            training={
                "options": self.options.as_dict(), "data": data,
                "remarks": on_pixel_sizes(dataset.items, self._size),
                "pixels": pixels, "seconds": round(watch.seconds, 2), "device": "cpu", "command": provenance.command,
            },
        )  # fmt: skip
        progress(1.0)
        return QuickResult(provenance, SegmentationModel(self._classifier, card), pixels)

    def labels(self, item: Annotated, index: int) -> NDArray[Any]:
        """Label values of a plane by the last fit, from the features kept: for refreshing while one paints.

        Parameters
        ----------
        item
            Image; its labels do not matter.
        index
            Number of the plane.

        Returns
        -------
        ndarray
            Label values, shape (Y, X).
        """
        positions = self._fitted().labels(self._features(item, index))
        shape = item.image.plane_shape
        values = np.array([one.value for one in self._classes])
        values = values.astype(np.min_scalar_type(values.max()))[positions]
        return values if values.shape == shape else targets_at(values, shape)

    def probabilities(self, item: Annotated, index: int) -> NDArray[np.float32]:
        """Class probabilities of a plane by the last fit, from the features kept, at the pixel size of the fit.

        Returns
        -------
        ndarray of float32
            Shape (classes, Y, X).
        """
        found: NDArray[np.float32] = self._fitted().probabilities(self._features(item, index)).numpy()
        return found

    def restart(self) -> None:
        """Forget what was learnt, but keep the features: the next fit begins anew."""
        self._classifier = None

    def _fitted(self) -> PixelClassifier:
        if self._classifier is None:
            raise InputError("nothing was learnt yet: paint at least two phases")
        return self._classifier

    def forget(self) -> None:
        """Drop the features kept, for images whose pixels changed."""
        self._kept.clear()
        self._samples.clear()
        self._shares.clear()
        self._hashed.clear()

    def _context(self) -> Context | None:
        """Pre-trained features, if they are wanted and at hand."""
        from napari_visualccc.models.nn.context import LEVEL, shipped_context

        return shipped_context() if self.options.context and self.options.levels > LEVEL else None

    def _looks_at_lattice(self, planes: Sequence[tuple[Annotated, int]]) -> bool:
        """Whether the local power spectrum is looked at, too; what planes show is kept."""
        from napari_visualccc.models.nn import spectra

        if self.options.lattice != AUTO or self.options.levels <= spectra.LEVEL:
            return self.options.lattice == "on" and self.options.levels > spectra.LEVEL
        shares = []
        for item, index in planes:
            key = (id(item.image.source), index, item.pixel_size, self._size)
            if key not in self._shares:
                self._shares[key] = item.image, spectra.lattice_share(image_at(item, index, self._size))
            shares.append(self._shares[key][1])
        return spectra.mostly_lattice(shares)

    def _fingerprint(self, image: Planes) -> str:
        """Hash of an image, kept: every stroke asks for it."""
        key = id(image.source)
        if key not in self._hashed:
            self._hashed[key] = (image, fingerprint(image))  # the planes keep the array, and with it its id, alive
        return self._hashed[key][1]

    def _sampled(self, levels: Levels) -> torch.Tensor:
        """Features of pixels all over a plane, kept."""
        from napari_visualccc.models.nn.pixels import some_places
        from napari_visualccc.models.nn.pyramid import features_at

        key = id(levels[0])
        if key not in self._samples:
            self._samples[key] = features_at(levels, some_places(tuple(levels[0].shape[-2:]), _SAMPLED))
        return self._samples[key]

    def _features(self, item: Annotated, index: int) -> Levels:
        import torch

        from napari_visualccc.models.nn import context, spectra
        from napari_visualccc.models.nn.pyramid import pyramid_features, with_features

        key = (id(item.image.source), index, item.pixel_size, self._size, self.options.levels, self._lattice)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        image = image_at(item, index, self._size)
        levels: Levels = pyramid_features(image, self.options.levels)
        if self._context() is not None:
            levels = with_features(levels, context.LEVEL, context.ready_context()(image))
        if self._lattice:
            with torch.inference_mode():
                found = spectra.spectra_of(torch.from_numpy(image)[None, None])
            levels = with_features(levels, spectra.LEVEL, found)
        self._kept[key] = (item.image, levels)  # the planes keep the array, and with it its id, alive
        while len(self._kept) > 1 and sum(_bytes(kept) for _, kept in self._kept.values()) > _MOST_KEPT_BYTES:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._samples.pop(id(dropped[0]), None)
        return levels


def _correct_shares(
    classifier: PixelClassifier, others: Sequence[torch.Tensor], painted: NDArray[np.int64], pixels: int
) -> None:
    """Make a classifier that learnt from strokes expect phases as common as the images show them.

    Parameters
    ----------
    classifier
        Changed in place.
    others
        Features of pixels all over the painted planes.
    painted
        Number of painted pixels of each class.
    pixels
        Number of pixels of the painted planes.
    """
    import torch

    from napari_visualccc.models.nn.pixels import probabilities_at

    classifier.shift.zero_()
    seen = np.concatenate([probabilities_at(classifier, features) for features in others])
    learnt = (painted > 0) / (painted > 0).sum()  # `fit_pixels` lets every painted class count alike
    classifier.shift.copy_(torch.from_numpy(np.log(share_ratios(seen, learnt, painted, pixels))))


def _bytes(levels: Levels) -> int:
    return sum(level.numel() * level.element_size() for level in levels)
