"""What the Classify widget does in the background: plain functions, without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Provenance
from napari_visualccc.widgets._source import Source
from napari_visualccc.widgets._training_board import Board

if TYPE_CHECKING:
    from napari_visualccc.classify import (
        ClassificationModel,
        Dataset,
        Evaluation,
        Example,
        PredictionResult,
        PredictOptions,
        TrainOptions,
        TrainResult,
    )
    from napari_visualccc.classify.vectors import Looker
    from napari_visualccc.core.results import Colour


class Lookers:
    """What has seen images, kept while the viewer lives: training again after a change of labels takes a second."""

    def __init__(self) -> None:
        self._kept: dict[Any, Looker] = {}
        self._explainers: dict[int, Any] = {}

    def for_training(self, options: TrainOptions) -> Looker:
        """Looker of an encoder. Worker thread."""
        from napari_visualccc.classify.training import embedding_of
        from napari_visualccc.classify.vectors import Looker
        from napari_visualccc.models.embedding_cache import EmbeddingCache

        key = (options.encoder, options.weights, options.mask_marks)
        if key not in self._kept:
            self._kept[key] = Looker(embedding_of(options), mask_marks=options.mask_marks, cache=EmbeddingCache())
        return self._kept[key]

    def for_model(self, model: ClassificationModel) -> Looker:
        """Looker of a model: one that trained it, or one of its own. Worker thread."""
        from napari_visualccc.models.embedding_cache import EmbeddingCache

        wanted = model.card.architecture.get("weights_hash")
        for looker in self._kept.values():
            if looker.weights_hash == wanted and looker.mask_marks == model.card.architecture.get("mask_marks"):
                return looker
        self._kept[wanted] = model.looker(cache=EmbeddingCache())
        return self._kept[wanted]


def run_preparation(*, progress: Progress) -> None:
    """Do in the background, while planes are being labelled, what the first training would have to wait for."""
    import napari_visualccc.models.nn.embedding  # noqa: F401

    # After torch: scipy.stats fails if a training, which may begin now, has just imported half of torch.
    progress(0.5)
    import pyqtgraph  # noqa: F401 - for the first curve
    import scipy.ndimage  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import sklearn.model_selection  # noqa: F401

    progress(1.0)


def run_read(path: str, *, progress: Progress) -> Dataset:
    """Read labelled images from a folder per class or a table."""
    from napari_visualccc.classify import read_dataset

    return read_dataset(path, progress=progress)


def run_train(
    examples: Sequence[Example], names: Sequence[str], colours: dict[str, Colour], options: TrainOptions,
    lookers: Lookers, board: Board, arguments: list[str], *, progress: Progress,
) -> TrainResult:  # fmt: skip
    """Train on labelled planes."""
    from napari_visualccc.classify import dataset_of, train

    used = {one.label for one in examples}
    dataset = dataset_of(examples, names=[name for name in names if name in used], colours=colours)
    progress(0.0, "loading the encoder")
    return train(
        dataset, options, looker=lookers.for_training(options), arguments=arguments, watch=board.tell,
        should_stop=board.should_stop, progress=progress,
    )  # fmt: skip


def run_predict(
    model: ClassificationModel, source: Source, options: PredictOptions, lookers: Lookers, model_name: str,
    *, progress: Progress,
) -> PredictionResult:  # fmt: skip
    """Classify the planes of a layer."""
    from napari_visualccc.classify import predict

    progress(0.0, "loading the encoder")
    result = predict(
        model, source.planes, options, pixel_size=source.pixel_size, name=source.name,
        looker=lookers.for_model(model), arguments=[model_name, *source.file_arguments], progress=progress,
    )  # fmt: skip
    if result.class_map is None or result.certainty is None:
        return result
    return replace(result, class_map=source.fold(result.class_map), certainty=source.fold(result.certainty))


def run_report(
    evaluation: Evaluation, folder: str, notes: Sequence[str], provenance: Provenance, *, progress: Progress
) -> str:
    """Write the report; gives its path back."""
    from napari_visualccc.classify import write_report

    progress(0.1, "writing the report")
    return str(write_report(evaluation, folder, notes=notes, provenance=provenance.as_dict())[0])


def run_save(model: ClassificationModel, path: str, *, progress: Progress) -> Path:
    """Write the model."""
    progress(0.1, "saving the model")
    return model.save(path)


def run_load(path: str, *, progress: Progress) -> ClassificationModel:
    """Read a model."""
    from napari_visualccc.classify import ClassificationModel

    progress(0.1, "reading the model")
    return ClassificationModel.load(path)
