"""What the Segment widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.core.results import Colour
from napari_visualccc.core.runtime import Device, available_gpus
from napari_visualccc.segment.options import PredictOptions, QuickOptions, TrainOptions
from napari_visualccc.widgets._source import Source
from napari_visualccc.widgets._stroke_keeping import count_labels
from napari_visualccc.widgets._training_board import Board

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.segment import (
        Annotated,
        Dataset,
        SegmentationModel,
        SegmentationResult,
        Suggestion,
        TrainResult,
    )

CORRECTED = "corrected by hand"


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


class QuickBench:
    """The pixel classifier, for one job at a time: what it keeps of the images must not be shared by two."""

    def __init__(self, options: QuickOptions) -> None:
        from napari_visualccc.segment import QuickSegmenter

        self.options = options
        self._segmenter = QuickSegmenter(options)
        self._lock = Lock()
        self._must_forget = False

    def forget(self) -> None:
        """Look at the images anew: the pixels of one have changed. Does not wait for the job that runs."""
        self._must_forget = True

    def look(self, work: Work, whole: Source, plane: int, progress: Progress, *, anew: bool) -> Glance:
        """Learn from all strokes, and label the plane of an image that the user looks at. Worker thread.

        With `anew` from nothing but the strokes: in which order they were painted does not count, as in the command.
        """
        from napari_visualccc.segment import annotated

        with self._lock:
            progress.check()
            if self._must_forget:
                self._must_forget = False
                self._segmenter.forget()
            if anew:
                self._segmenter.restart()
            model = self._learn(work, progress.part(0, 0.7), anew=anew)
            unpainted = np.broadcast_to(np.uint8(0), whole.planes.shape)
            here = annotated(whole.planes, unpainted, pixel_size=whole.pixel_size)
            progress(0.8, "applying")
            return Glance(model, self._segmenter.labels(here, plane), whole.layer, plane)

    def _learn(self, work: Work, progress: Progress, *, anew: bool) -> SegmentationModel:
        from napari_visualccc.segment import dataset_of_strokes

        dataset = dataset_of_strokes(work.items, names=work.names, colours=work.colours)
        try:
            return self._segmenter.fit(dataset, progress=progress).model
        except InputError:
            if not _has_new_phase(work, dataset):
                raise
            if not anew:
                raise Cancelled from None  # the next picture, which that stroke asked for, has it
            dataset = dataset_of_strokes(work.items, names=work.names, colours=work.colours)
            return self._segmenter.fit(dataset, progress=progress).model


def _has_new_phase(work: Work, dataset: Dataset) -> bool:
    """True if a phase was painted for the first time while the strokes were read."""
    from napari_visualccc.segment.annotations import label_values

    return any(set(label_values(one.labels)) - {0, *dataset.values} for one in work.items)


def run_quick(
    bench: QuickBench, work: Work, whole: Source, plane: int, *, anew: bool = False, progress: Progress
) -> Glance:
    """Learn from all strokes in a moment, and label the plane of an image that the user looks at."""
    return bench.look(work, whole, plane, progress, anew=anew)


def run_train(
    work: Work, options: TrainOptions, board: Board, state: TrainingState | None, device: Device, progress: Progress
) -> TrainResult:
    """Train a network on all strokes."""
    from napari_visualccc.segment import train_apart

    dataset = work.dataset()
    progress(0.0, "handing over the strokes")
    return train_apart(
        dataset, options, device=device, state=state, watch=board.tell, look=board.view, show=board.show,
        should_stop=board.should_stop, progress=progress,
    )  # fmt: skip


def run_predict(
    model: SegmentationModel, source: Source, options: PredictOptions, device: Device, path: str, progress: Progress
) -> SegmentationResult:
    """Segment an image or stack."""
    from napari_visualccc.segment import predict

    return predict(
        model, source.planes, options, pixel_size=source.pixel_size, name=source.name, device=device,
        arguments=[path, *source.file_arguments, "--output", "segmented"], progress=progress,
    )  # fmt: skip


def run_suggest(
    model: SegmentationModel,
    source: Source,
    options: PredictOptions,
    device: Device,
    painted: Any,
    count: int,
    progress: Progress,
) -> list[Suggestion]:
    """Places that the model is least sure of."""
    from napari_visualccc.segment import predict, suggest_places

    result = predict(
        model, source.planes, replace(options, uncertainty=True), pixel_size=source.pixel_size, device=device,
        progress=progress.part(0, 0.9),
    )  # fmt: skip
    entropy = result.entropy
    assert entropy is not None
    return suggest_places(entropy.reshape(source.planes.shape), painted, count=count, progress=progress.part(0.9, 1))


@dataclass(frozen=True)
class Written:
    """Where a model was written, and the hash of that file."""

    path: Path
    hash: str


def run_save(model: SegmentationModel, path: str, progress: Progress) -> Written:
    """Write a model."""
    from napari_visualccc.models.files import file_hash

    written = model.save(path)
    return Written(written, file_hash(written))


def run_package(model: SegmentationModel, path: str, progress: Progress) -> Path:
    """Write a model as a bioimage.io package."""
    from napari_visualccc.segment import export_bioimageio

    return export_bioimageio(model, path, progress=progress)


def run_load(path: str, progress: Progress) -> SegmentationModel:
    """Read a model."""
    from napari_visualccc.segment import SegmentationModel

    return SegmentationModel.load(path)


def run_count(result: SegmentationResult, corrected: bool, progress: Progress) -> SegmentationResult:
    """The result with the pixels of its phases counted anew; itself if nothing has changed.

    `corrected` tells that labels were, even if the counts stayed.
    """
    labels = result.labels
    counts = count_labels(labels, progress)
    counts[0] = labels.size - sum(counts.values())
    pixels = {value: counts.get(value, 0) for value in result.class_names}
    record = result.provenance
    is_known = not corrected or record.parameters.get(CORRECTED, False)
    if is_known and pixels == {value: result.pixels.get(value, 0) for value in result.class_names}:
        return result
    record = replace(record, parameters={**record.parameters, CORRECTED: True})
    return replace(result, pixels=pixels, provenance=record)


def run_export(
    result: SegmentationResult, corrected: bool, folder: str, stem: str, axes: Any, progress: Progress
) -> list[Path]:
    """Write labels, tables and record."""
    from napari_visualccc.io import write_result

    return write_result(run_count(result, corrected, progress), folder, stem, axes)


def prepare_network(progress: Progress) -> list[Device]:
    """Import what the first training needs while the user paints; where it can compute."""
    import pyqtgraph  # noqa: F401 - a third of a second that the first curve would cost the event loop

    import napari_visualccc.models.nn.unet
    import napari_visualccc.segment.training  # noqa: F401
    from napari_visualccc.widgets._cluster_jobs import prepare_colours

    prepare_colours()
    return [Device.CPU, *available_gpus()]
