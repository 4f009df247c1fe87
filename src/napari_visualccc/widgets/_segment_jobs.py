"""What the Segment widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Colour
from napari_visualccc.segment.options import PredictOptions, TrainOptions
from napari_visualccc.widgets._source import Source, array_of, pixel_size_of

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import Moment, TrainingState
    from napari_visualccc.segment import (
        Annotated,
        Dataset,
        Evaluation,
        QuickSegmenter,
        SegmentationModel,
        SegmentationResult,
        Suggestion,
        TrainResult,
    )

# Label of pixels that belong to no class of a result.
NOTHING = -1
# The live picture must not slow the training down: of larger planes only the middle is shown.
_PREVIEW_PIXELS = 1 << 21


class Board:
    """What a running training tells the viewer, and how the viewer tells it to stop.

    Used from two threads; each attribute is set as a whole by one of them, which Python does in one go.

    Attributes
    ----------
    moments
        Grows with every step.
    stop
        Set by the viewer.
    """

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.stop = False
        self._picture: NDArray[Any] | None = None
        self._view: tuple[Planes, int] | None = None
        self._is_new = False
        self._shown: tuple[int, int] = (0, 0)

    def seconds_left(self) -> float | None:
        """How long the training goes on, by its schedule; None before the first step."""
        last = self.moments[-1] if self.moments else None
        return last.seconds * (1 - last.done) / last.done if last is not None and last.done > 0 else None

    def look_at(self, planes: Planes, index: int) -> None:
        """Plane that the next picture shows."""
        self._view = (planes, index)
        self._is_new = True

    def take_picture(self) -> NDArray[Any] | None:
        """Latest picture that was not taken yet: label values of shape (Y, X), 0 where nothing is known."""
        picture, self._picture = self._picture, None
        return picture

    def should_stop(self) -> bool:
        """True once the viewer asked the training to end. Worker thread."""
        return self.stop

    def view(self) -> NDArray[Any] | None:
        """Grey values of what the user looks at; None if that did not change since it was asked. Worker thread."""
        if self._view is None or not self._is_new:
            return None
        self._is_new = False
        planes, index = self._view
        self._shown = planes.plane_shape
        return np.asarray(planes.read(index, _middle(self._shown)))

    def show(self, labels: NDArray[Any]) -> None:
        """Labels of the grey values that `view` gave last. Worker thread."""
        region = _middle(self._shown)
        if labels.shape == tuple(side.stop - side.start for side in region):  # not of the view before
            picture = np.zeros(self._shown, np.uint8)
            picture[region] = labels
            self._picture = picture


def _middle(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Central part of a plane with at most `_PREVIEW_PIXELS`."""
    factor = min(1.0, (_PREVIEW_PIXELS / (shape[0] * shape[1])) ** 0.5)
    sizes = [max(1, int(n * factor)) for n in shape]
    starts = [(n - size) // 2 for n, size in zip(shape, sizes, strict=True)]
    return slice(starts[0], starts[0] + sizes[0]), slice(starts[1], starts[1] + sizes[1])


@dataclass(frozen=True)
class Work:
    """Painted images as the engine takes them."""

    items: tuple[Annotated, ...]
    names: Mapping[int, str]
    colours: Mapping[int, Colour] = field(default_factory=dict)

    def dataset(self) -> Dataset:
        """All of it as a dataset of strokes, copied: the user may go on painting."""
        from napari_visualccc.segment import dataset_of_strokes
        from napari_visualccc.segment.annotations import Annotated

        copies = [
            Annotated(one.image, Planes(np.array(one.labels.source), rgb=False), one.pixel_size, one.name)
            for one in self.items
        ]
        return dataset_of_strokes(copies, names=self.names, colours=self.colours)


@dataclass(frozen=True)
class Glance:
    """What a quick model makes of one plane.

    Attributes
    ----------
    model
        The model.
    labels
        Label values, shape (Y, X).
    image, plane
        Layer and index of the plane.
    """

    model: SegmentationModel
    labels: NDArray[Any]
    image: Any
    plane: int


def run_quick(quick: QuickSegmenter, work: Work, image: Any, plane: int, progress: Progress) -> Glance:
    """Learn from all strokes in a moment, and label the plane that the user looks at."""
    from napari_visualccc.segment import annotated, dataset_of_strokes

    dataset = dataset_of_strokes(work.items, names=work.names, colours=work.colours)
    model = quick.fit(dataset, progress=progress.part(0, 0.7)).model
    array = array_of(image)
    shape = array.shape[:-1] if image.rgb else array.shape
    unpainted = np.broadcast_to(np.uint8(0), shape)
    here = annotated(Planes(array, rgb=bool(image.rgb)), unpainted, pixel_size=pixel_size_of(image))
    progress(0.8, "applying")
    return Glance(model, quick.labels(here, plane), image, plane)


def run_quick_anew(quick: QuickSegmenter, work: Work, image: Any, plane: int, progress: Progress) -> Glance:
    """The same from nothing but the strokes: in which order they were painted does not count, as in the command."""
    quick.restart()
    return run_quick(quick, work, image, plane, progress)


def run_train(
    work: Work, options: TrainOptions, board: Board, state: TrainingState | None, progress: Progress
) -> TrainResult:
    """Train a network on all strokes."""
    from napari_visualccc.segment import train_apart

    dataset = work.dataset()
    progress(0.0, "handing over the strokes")
    return train_apart(
        dataset, options, state=state, watch=board.moments.append, look=board.view, show=board.show,
        should_stop=board.should_stop, progress=progress,
    )  # fmt: skip


def run_predict(
    model: SegmentationModel, source: Source, options: PredictOptions, path: str, progress: Progress
) -> SegmentationResult:
    """Segment an image or stack."""
    from napari_visualccc.segment import predict

    return predict(
        model, source.planes, options, pixel_size=source.pixel_size, name=source.name,
        arguments=[path, *source.arguments, "--output", "segmented"], progress=progress,
    )  # fmt: skip


def run_suggest(
    model: SegmentationModel, source: Source, painted: Any, count: int, progress: Progress
) -> list[Suggestion]:
    """Places that the model is least sure of."""
    from napari_visualccc.segment import predict, suggest_places

    result = predict(model, source.planes, PredictOptions(uncertainty=True), progress=progress.part(0, 0.9))
    entropy = result.entropy
    assert entropy is not None
    return suggest_places(entropy.reshape(source.planes.shape), painted, count=count, progress=progress.part(0.9, 1))


@dataclass(frozen=True)
class Comparison:
    """How labels agree, and how they were told to mean the same."""

    evaluation: Evaluation
    matched: str


def run_compare(
    true: Any, true_values: Mapping[str, int], called: Any, result: SegmentationResult, progress: Progress
) -> Comparison:
    """Compare the phases of a result (as they are now: they may have been painted over) with other labels.

    Labels that name their classes, all of ours among them, are matched by name, others by value.
    """
    from napari_visualccc.models.card import ClassInfo
    from napari_visualccc.segment import compare

    names = result.class_names
    classes = [ClassInfo(value, name, result.colours[value]) for value, name in names.items()]
    ignore = () if 0 in names else (0,)
    true, matched = np.asarray(true), "matched by value"
    if true_values:
        if not set(names.values()) & set(true_values):
            raise InputError(
                f"these labels are called {', '.join(true_values)}, the phases {', '.join(names.values())}: rename the "
                "phases so that the same have the same name"
            )
        values = np.full(true.shape, NOTHING, np.int32)
        for value, name in names.items():
            if name in true_values:
                values[true == true_values[name]] = value
        true, ignore = values, (*ignore, NOTHING)
        others = ", ".join(name for name in true_values if name not in names.values())
        matched = "matched by name" + (f", without {others}" if others else "")
    return Comparison(compare(true, called, classes, pixel_size=result.pixel_size, ignore=ignore, progress=progress),
                      matched)  # fmt: skip


def run_save(model: SegmentationModel, path: str, progress: Progress) -> Path:
    """Write a model."""
    return model.save(path)


def run_package(model: SegmentationModel, path: str, progress: Progress) -> Path:
    """Write a model as a bioimage.io package."""
    from napari_visualccc.segment import export_bioimageio

    return export_bioimageio(model, path, progress=progress)


def run_load(path: str, progress: Progress) -> SegmentationModel:
    """Read a model."""
    from napari_visualccc.segment import SegmentationModel

    return SegmentationModel.load(path)


def run_export(result: SegmentationResult, folder: str, stem: str, axes: Any, progress: Progress) -> list[Path]:
    """Write labels, tables and record."""
    from napari_visualccc.io import write_result

    return write_result(result, folder, stem, axes)


def prepare_network(progress: Progress) -> None:
    """Import what the first training needs while the user paints."""
    import pyqtgraph  # noqa: F401 - a third of a second that the first curve would cost the event loop

    import napari_visualccc.models.nn.unet
    import napari_visualccc.segment.training  # noqa: F401
    from napari_visualccc.widgets._cluster_jobs import prepare_colours

    prepare_colours()
