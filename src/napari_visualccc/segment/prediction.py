"""Apply a trained network to images and stacks of any size: labels, confidence and entropy."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Colour, Provenance, Result, ResultLayer, Stopwatch, fingerprint
from napari_visualccc.core.runtime import Device, allocate, choose_device
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.windows import is_too_far, rescale_factors
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.options import PredictOptions

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.segmenter import Segmenter

# Makes an array of zeros, to be filled, for the layer of a title, from shape and type.
NewArray = Callable[[str, tuple[int, ...], DTypeLike], Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentationResult(Result):
    """Phases of all pixels.

    Attributes
    ----------
    labels
        Label values of the model's card, shape of the source without colours.
    confidence
        Probability of the chosen phase, float16; None if not asked for.
    entropy
        Entropy of the class probabilities divided by its maximum, float16 in 0 … 1; None if not asked for.
    pixels
        Number of pixels of each label value.
    class_names, colours
        Of each label value.
    pixel_size
        Of the source.
    rescaled
        Factors (y, x) by which the image was resampled for the network.
    notes
        What is to be known of the phases, in words.
    """

    labels: NDArray[Any]
    confidence: NDArray[np.float16] | None
    entropy: NDArray[np.float16] | None
    pixels: Mapping[int, int]
    class_names: Mapping[int, str]
    colours: Mapping[int, Colour]
    pixel_size: PixelSize = field(default_factory=PixelSize)
    rescaled: tuple[float, float] = (1.0, 1.0)
    notes: tuple[str, ...] = ()

    @property
    def megapixels_per_second(self) -> float:
        """Source pixels per second of wall time."""
        return float(self.labels.size / 1e6 / max(self.provenance.seconds, 1e-9))

    @property
    def table(self) -> pd.DataFrame:
        """Label, name, pixels, area and area fraction of each phase."""
        import pandas as pd

        counts = np.array([self.pixels.get(value, 0) for value in self.class_names])
        unit = self.pixel_size.column_unit
        return pd.DataFrame(
            {
                "label": list(self.class_names),
                "class": list(self.class_names.values()),
                "pixels": counts,
                f"area_{unit}2": counts * self.pixel_size.area,
                "area_fraction": counts / max(counts.sum(), 1),
            }
        )

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """Entropy and confidence if there are, and the phases on top."""
        extra = [(self.entropy, "entropy"), (self.confidence, "confidence")]
        shown = tuple(ResultLayer(data, "image", title) for data, title in extra if data is not None)
        return (*shown, ResultLayer(self.labels, "labels", "phases", self.colours, self.table))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The phase table."""
        return {"phases": self.table}


def predict(
    model: SegmentationModel,
    images: Any,
    options: PredictOptions | None = None,
    *,
    pixel_size: PixelSize | None = None,
    name: str = "image",
    arguments: Sequence[str] | None = None,
    rgb: bool | None = None,
    device: Device | str = Device.AUTO,
    segmenter: Segmenter | None = None,
    new_array: NewArray | None = None,
    progress: Progress | None = None,
) -> SegmentationResult:
    """Segment an image or stack.

    Parameters
    ----------
    model
        Trained network.
    images
        Array of shape (Y, X), (…, Y, X) or RGB(A), of any number type, NumPy or dask; or `Planes`.
    options
        See `PredictOptions`.
    pixel_size
        Of the images; those that differ from the model's are resampled for the network and the labels brought back.
    name
        Name of the source, for the record.
    arguments
        How the command line is told of model and image, for the record.
    rgb
        Whether the last axis holds colours; None guesses.
    device
        Where to compute.
    segmenter
        The model made ready for this machine, to be used for several images.
    new_array
        Makes the arrays of the result, such as files to compute into; by default they are in memory.
    progress
        Reports and cancels.

    Returns
    -------
    SegmentationResult

    Raises
    ------
    InputError
        If there is no finite pixel or no image. A plane without one beside others has no phases, and a note says so.
    Cancelled
        From `progress`.

    Notes
    -----
    Tiles overlap and are blended with weights that sum to exactly 1, one band of rows at a time, so that memory does
    not grow with the height of the image. Results too large for memory are kept in temporary files, if `new_array` does
    not say where.
    """
    from napari_visualccc.models.nn.segmenter import Segmenter

    options = options or PredictOptions()
    progress = silent(progress)
    watch = Stopwatch()
    planes = as_planes(images, rgb=rgb, name=name)
    pixel_size = pixel_size or PixelSize()
    progress(0.0, "loading the network")
    segmenter = segmenter or Segmenter(model.network, choose_device(device))
    factors = rescale_factors(pixel_size, model.card.pixel_size) if options.rescale else (1.0, 1.0)
    output = _Output(planes, model, options.uncertainty, new_array or _in_memory)
    empty: list[int] = []
    for index in range(len(planes)):
        part = progress.part(index / len(planes), (index + 1) / len(planes))
        try:
            scale = GreyScale.of_plane(planes, index)
        except InputError:
            if len(empty) == len(planes) - 1:  # there is no other
                raise
            empty.append(index)
            output.put_nothing(index)
            part(1.0)
            continue
        views = model.card.symmetry if options.tta else "none"
        bands = segmenter.bands(
            lambda region, index=index, scale=scale: scale.read(planes, index, region),  # type: ignore[misc]
            planes.plane_shape, factors=factors, tile=options.tile, overlap=options.overlap, views=views, progress=part,
        )  # fmt: skip
        for rows, probabilities in bands:
            output.put(index, rows, probabilities)
    shrunk = _on_shrunk_tiles(options.tile, segmenter.bearable(options.tile))
    options = replace(options, tile=segmenter.bearable(options.tile))  # for the record: as it was done
    command = [
        "visualccc",
        "segment",
        "predict",
        *(arguments or ["MODEL", name, "--output", "segmented"]),
        *to_arguments(options),
    ]
    seen = {"device": segmenter.device, "precision": segmenter.precision_name, "rescaled": list(factors)}
    provenance = Provenance(
        "segment predict", options.as_dict() | seen, name, fingerprint(planes), shlex.join(command), None,
        model.hash or None, watch.seconds,
    )  # fmt: skip
    cautions = [
        *_on_empty(empty),
        *shrunk,
        *(_on_unmatched(pixel_size, model.card.pixel_size) if options.rescale else ()),
    ]
    for words in cautions:
        _log.warning("%s: %s", name, words)
    too_far = _on_too_far(pixel_size, model.card.pixel_size) if options.rescale else ()  # is in the log already
    notes = (*cautions, *too_far, *_on_resampled(pixel_size, model.card.pixel_size, factors))
    return output.result(provenance, pixel_size, factors, notes)


def _on_empty(planes: Sequence[int]) -> list[str]:
    """That planes have no phases."""
    if not planes:
        return []
    have = "plane {} has" if len(planes) == 1 else "planes {} have"
    return [have.format(", ".join(map(str, planes))) + " no finite pixel, and therefore no phases"]


def _on_shrunk_tiles(wanted: int, used: int) -> list[str]:
    """That memory did not bear the tiles that were asked for."""
    if used == wanted:
        return []
    return [f"memory ran out: it was looked at in tiles of {used} pixels instead of {wanted}"]


def _on_unmatched(image: PixelSize, model: PixelSize) -> list[str]:
    """That an image could not be brought to the model's pixel size: one of the two is not known, or another kind."""
    if image.unit == model.unit:
        return []
    learnt = f"at {model}" if model.is_calibrated else "from images without pixel size"
    has = str(image) if image.is_calibrated else "no pixel size"
    return [f"the model learnt {learnt}, the image has {has}: it is taken as it is"]


def _on_too_far(image: PixelSize, model: PixelSize) -> list[str]:
    """That an image was not brought to the model's pixel size, as the two have nothing to do with each other."""
    if not is_too_far(image, model):
        return []
    return [f"the model learnt at {model}, the image has {image}: too far apart to resample, it is taken as it is"]


def _on_resampled(image: PixelSize, model: PixelSize, factors: tuple[float, float]) -> list[str]:
    """That an image was brought to the model's pixel size."""
    if factors == (1.0, 1.0):
        return []
    y, x = factors
    by = f"{y:.3g}" if abs(y / x - 1) < 1e-3 else f"{y:.3g} (y) and {x:.3g} (x)"
    return [f"the model saw the image resampled by {by}, from {image} to the {model} that the model learnt at"]


def _in_memory(title: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Array of zeros in memory, or in a temporary file if it is large."""
    return allocate(shape, dtype)


class _Output:
    """Arrays that fill band by band."""

    def __init__(self, planes: Planes, model: SegmentationModel, uncertainty: bool, new_array: NewArray) -> None:
        self._planes, self._model = planes, model
        self._values = model.values
        shape = planes.leading + planes.plane_shape
        self._labels = new_array("phases", shape, self._values.dtype)
        self._confidence = new_array("confidence", shape, np.float16) if uncertainty else None
        self._entropy = new_array("entropy", shape, np.float16) if uncertainty else None
        self._counts = np.zeros(len(self._values), np.int64)

    def put(self, index: int, rows: slice, probabilities: NDArray[np.float32]) -> None:
        chosen = probabilities.argmax(axis=0)
        place = (*self._planes.place(index), rows)
        missing = np.isnan(self._planes.plane(index, (rows, slice(None))))
        labels = self._values[chosen]
        labels[missing] = self._model.nothing
        self._labels[place] = labels
        self._counts += np.bincount(chosen[~missing], minlength=len(self._values))
        if self._confidence is not None and self._entropy is not None:
            best = np.where(missing, np.nan, probabilities.max(axis=0))
            self._confidence[place] = best
            self._entropy[place] = np.where(missing, np.nan, normalised_entropy(probabilities))

    def put_nothing(self, index: int) -> None:
        """A plane where nothing is known."""
        everywhere = (*self._planes.place(index), slice(None))
        self._labels[everywhere] = self._model.nothing
        if self._confidence is not None and self._entropy is not None:
            self._confidence[everywhere] = self._entropy[everywhere] = np.nan

    def result(
        self, provenance: Provenance, pixel_size: PixelSize, rescaled: tuple[float, float], notes: tuple[str, ...]
    ) -> SegmentationResult:
        card = self._model.card
        pixels = {one.value: int(count) for one, count in zip(card.classes, self._counts, strict=True)}
        return SegmentationResult(
            provenance, self._labels, self._confidence, self._entropy, pixels,
            card.class_names, card.colours, pixel_size, rescaled, notes,
        )  # fmt: skip


def normalised_entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entropy over the first axis divided by that of equal chances: 0 certain, 1 no idea."""
    safe = np.maximum(probabilities, 1e-7)
    return np.asarray(-(safe * np.log(safe)).sum(axis=0) / np.log(max(len(probabilities), 2)), np.float32).clip(0, 1)
