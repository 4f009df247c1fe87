"""Chapter of the demo: films laid out by likeness, and the current they carry predicted from their look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Result
from napari_visualccc.demo.chapter import Chapter, Measurement
from napari_visualccc.pictures import RGB, diverging_picture, grey_picture, with_scale_bar

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_visualccc.maps import MicrographMap

_FILMS = 60
_TARGET = "critical_current_ma_cm2"
_FRAME = 4
_SHUFFLES = 199


@dataclass(frozen=True)
class MappedFilms(Result):
    """Places, true and predicted values of all films."""

    table: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The one table."""
        return {"map": self.table}


def likeness(seed: int, progress: Progress) -> Chapter:
    """Map of a series of films, and what drives the prediction."""
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.maps import PropertyOptions, build_map, driving_regions, predict_property
    from napari_visualccc.maps.reading import Stack
    from napari_visualccc.models.micrographs import Micrograph
    from napari_visualccc.models.nn.embedding import Embedder
    from napari_visualccc.samples import PorousOptions, porous

    sample = porous(PorousOptions(count=_FILMS, seed=seed), progress=progress.part(0, 0.2))
    sample = replace(sample, name=f"{sample.name} mapped")
    planes = Planes(sample.image, rgb=False, name=sample.name)
    names = tuple(f"film {i}" for i in range(_FILMS))
    table = sample.table.drop(columns="id").assign(id=names)
    made = build_map(Stack(planes, sample.pixel_size, names, ("",) * _FILMS, sample.name), table=table,
                     progress=progress.part(0.2, 0.8))  # fmt: skip
    found = predict_property(made, _TARGET, PropertyOptions(permutations=_SHUFFLES), progress=progress.part(0.8, 0.9))
    shown = int(np.argsort(sample.table[_TARGET])[_FILMS // 2])
    drives = driving_regions(made, _TARGET, Micrograph(planes, shown), Embedder(made.options),
                             progress=progress.part(0.9, 1))  # fmt: skip
    pictures = {
        "films by likeness": _mosaic(made),
        "micrograph": with_scale_bar(grey_picture(sample.image[shown]), sample.pixel_size),
        "what raises (red) and lowers (blue) the current": diverging_picture(sample.image[shown], drives.heatmap),
    }
    measured = [Measurement(f"{sample.name}: rank correlation of predicted and true current", found.spearman, 1.0)]
    text = (
        f"{_FILMS} films, laid out by what a pre-trained encoder sees in them; the frame is the critical current, from "
        f"violet (low) to yellow (high). From their look alone, each specimen held out in turn, the current is predicted "
        f"(p = {found.p_value:.2g})."
    )
    answer = found.table.assign(map_x=made.coordinates[:, 0], map_y=made.coordinates[:, 1])
    asked = {"target": _TARGET, **made.options.as_dict()}
    record = replace(made.provenance, operation="map properties", parameters=asked)
    return Chapter("Films by likeness", text, sample, MappedFilms(record, answer), pictures, measured,
                   _summary(found.as_dict()), "How well the look predicts the current")  # fmt: skip


def _summary(scores: dict[str, object]) -> pd.DataFrame:
    import pandas as pd

    words = {
        "ridge_r2": "R² of a ridge regression", "knn_r2": "R² of nearest neighbours",
        "acquisition_r2": "R² of brightness and contrast alone", "spearman": "rank correlation", "p_value": "p",
    }  # fmt: skip
    return pd.DataFrame({"": list(words.values()), "value": [scores[name] for name in words]})


def _mosaic(made: MicrographMap) -> RGB:
    """Thumbnails at their places, framed in the colour of the property."""
    from napari_visualccc.maps.colouring import colouring_of
    from napari_visualccc.maps.mosaic import mosaic_of

    mosaic = mosaic_of(made.thumbnails, made.coordinates)
    picture: NDArray[np.uint8] = np.stack([mosaic.levels[0]] * 3, -1)
    height, width = mosaic.size
    for (y, x), colour in zip(mosaic.corners, colouring_of(made, _TARGET).rgba, strict=True):
        cell = picture[y : y + height, x : x + width]
        rgb = np.round(colour[:3] * 255).astype(np.uint8)
        cell[:_FRAME], cell[-_FRAME:], cell[:, :_FRAME], cell[:, -_FRAME:] = rgb, rgb, rgb, rgb
    return picture
