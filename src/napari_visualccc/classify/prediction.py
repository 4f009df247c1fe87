"""Apply a classifier: class and probabilities of each plane, and whether it is unlike anything learnt."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.magnification import words_on_size
from napari_visualccc.classify.model import ClassificationModel
from napari_visualccc.classify.options import PredictOptions
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Result, ResultLayer, Stopwatch, fingerprint
from napari_visualccc.core.runtime import Device
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.models.micrographs import Micrograph

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.classify.vectors import Looker


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictionResult(Result):
    """Classes of the planes of an image or stack.

    Attributes
    ----------
    classes
        Of the model.
    probabilities
        Calibrated, shape (N, C).
    unlike
        Distance of each plane to the training planes; above 1 it is unlike all of them. Shape (N,).
    learnt
        True for planes that the model learnt from, as far as it remembers them: how sure it is of those says nothing
        about how good it is. Shape (N,).
    class_map
        Value of the most probable class around each pixel, shape of the source; None if it was not asked for.
    certainty
        Its probability, float32; None if it was not asked for.
    pixel_size
        Of the source.
    notes
        What to know before believing the classes, in words.
    """

    classes: tuple[ClassInfo, ...]
    probabilities: NDArray[np.float64]
    unlike: NDArray[np.float64]
    learnt: NDArray[np.bool_]
    class_map: NDArray[Any] | None
    certainty: NDArray[np.float32] | None
    pixel_size: PixelSize
    notes: tuple[str, ...] = ()

    @property
    def called(self) -> NDArray[np.int64]:
        """Position of the most probable class of each plane."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def table(self) -> pd.DataFrame:
        """One row per plane: class, confidence, whether learnt from, unlike, distance, probability of each class."""
        import pandas as pd

        names = [one.name for one in self.classes]
        return pd.DataFrame(
            {
                "plane": np.arange(len(self.probabilities)),
                "class": [names[n] for n in self.called],
                "confidence": self.probabilities.max(axis=1),
                "learnt_from": self.learnt,
                "unlike": self.unlike > 1,
                "distance": self.unlike,
                **{f"p {name}": self.probabilities[:, n] for n, name in enumerate(names)},
            }
        )

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """Certainty and class map, if they were asked for."""
        if self.class_map is None or self.certainty is None:
            return ()
        import pandas as pd

        table = pd.DataFrame({"label": [c.value for c in self.classes], "class": [c.name for c in self.classes]})
        colours = {one.value: one.colour for one in self.classes}
        return (
            ResultLayer(self.certainty, "image", "certainty of class"),
            ResultLayer(self.class_map, "labels", "class map", colours, table),
        )

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The classes of the planes."""
        return {"classes": self.table}


def predict(
    model: ClassificationModel,
    images: Any,
    options: PredictOptions | None = None,
    *,
    pixel_size: PixelSize | None = None,
    name: str = "image",
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    looker: Looker | None = None,
    device: Device | str = Device.AUTO,
    arguments: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> PredictionResult:
    """Classify the planes of an image or stack.

    Parameters
    ----------
    model
        Trained.
    images
        Array of shape (Y, X), (…, Y, X) or RGB(A), of any number type, NumPy or dask; or `Planes`.
    options
        See `PredictOptions`.
    pixel_size
        Of the images; it is told if it is far from those that the model learnt from.
    name
        Of the source, for the record.
    planes
        Only these, counted from 0; all by default. The class map is that of the whole stack.
    looker
        `ClassificationModel.looker`, to be used for several images.
    arguments
        How the command line is told of model and image, for the record.

    Raises
    ------
    InputError
        If there is no image, or a plane without a finite pixel.
    Cancelled
        From `progress`.
    """
    from napari_visualccc.classify.class_map import map_classes

    options = options or PredictOptions()
    progress, clock = silent(progress), Stopwatch()
    source = as_planes(images, rgb=rgb, name=name)
    size = pixel_size or PixelSize()
    words = words_on_size(model.card, size)
    if words:
        _log.warning("%s: %s", name, words)
    looker = looker or model.looker(device)
    chosen = range(len(source)) if planes is None else planes
    share = 0.2 if options.class_map else 0.98
    seen = looker.look([Micrograph(source, index, size) for index in chosen], progress=progress.part(0, share))
    labels, certainty = None, None
    if options.class_map:
        labels, certainty = map_classes(model, source, options, size, looker, progress.part(share, 0.98))
    command = shlex.join(["visualccc", "classify", "predict", *(arguments or ("MODEL", name)), *to_arguments(options)])
    provenance = Provenance(
        "classify predict", options.as_dict(), name, fingerprint(source), command, None, model.hash, clock.seconds
    )
    progress(1.0)
    return PredictionResult(
        provenance, model.card.classes, model.probabilities(seen.vectors), model.familiar.distances(seen.vectors),
        model.familiar.learnt(seen.vectors), labels, certainty, size,
        (words,) if words else (),
    )  # fmt: skip
