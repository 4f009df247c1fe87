"""What the Map widget computes in the background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Provenance, fingerprint
from napari_visualccc.maps.options import MapOptions, PropertyOptions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.maps import MicrographMap, PropertyResult, Regions
    from napari_visualccc.maps.mosaic import Mosaic
    from napari_visualccc.maps.reading import Stack


@dataclass(frozen=True)
class Plane:
    """The plane that the viewer shows.

    Attributes
    ----------
    planes, index, pixel_size, name
        Where it is; without the margin that a stack of different sizes has.
    place
        Its number in the layer.
    row
        Of the map; -1 if it is not on it.
    """

    planes: Planes
    index: int
    pixel_size: PixelSize
    name: str
    place: int
    row: int = -1


def run_build(source: Path | Stack, table: Path | None, options: MapOptions, *, progress: Progress) -> MicrographMap:
    """Make a map."""
    progress(0.0, "getting ready")
    from napari_visualccc.maps import build_map
    from napari_visualccc.models.embedding_cache import EmbeddingCache

    made = build_map(source, options, table=table, cache=EmbeddingCache(), progress=progress)
    _prepare()
    return made


def run_load(path: Path, *, progress: Progress) -> MicrographMap:
    """Open a map; look for its micrographs beside it if they were moved."""
    from napari_visualccc.maps import load_map, relink

    progress(0.0, "opening the map")
    made = load_map(path)
    progress(0.5, "looking for the micrographs")
    if not any(Path(entry).exists() for entry in made.entries["path"] if entry):
        made, _ = relink(made, path.parent)
    _prepare()
    return made


def _prepare() -> None:
    """Import here what the GUI thread will need to draw: it would stand still meanwhile."""
    import pyqtgraph  # noqa: F401


def run_read(path: Path, *, progress: Progress) -> list[Any]:
    """Read a micrograph."""
    from napari_visualccc.io import read

    progress(0.0, "opening")
    return read(path)


def run_relink(made: MicrographMap, folder: Path, *, progress: Progress) -> tuple[MicrographMap, int]:
    """Find moved micrographs again."""
    from napari_visualccc.maps import relink

    progress(0.0, "looking for the micrographs")
    return relink(made, folder)


def run_similar(made: MicrographMap, plane: Plane, *, progress: Progress) -> pd.DataFrame:
    """Micrographs that look like a plane."""
    from napari_visualccc.maps import most_similar
    from napari_visualccc.maps.similar import check_embedder
    from napari_visualccc.models.micrographs import Micrograph
    from napari_visualccc.models.nn.embedding import Embedder
    from napari_visualccc.processing.text import marks_of

    known = made.entries.index[made.entries["hash"] == fingerprint(plane.planes.only(plane.index))]
    row = plane.row if plane.row >= 0 else int(known[0]) if len(known) else -1
    if row >= 0:
        return most_similar(made, made.vectors[row], 13)
    progress(0.0, "loading the network")
    embedder = Embedder(made.options)
    check_embedder(made, embedder.hash)
    one = plane.planes.only(plane.index)
    item = Micrograph(one, 0, plane.pixel_size, marks_of if made.options.marks else None)
    vector = next(embedder.stream([item], 1, progress=progress))
    return most_similar(made, vector, 12)


@dataclass(frozen=True)
class Answer:
    """What a map knows of a property, and what its clusters have of it."""

    result: PropertyResult
    clusters: pd.DataFrame
    labels: NDArray[np.int64]


def run_properties(made: MicrographMap, target: str, options: PropertyOptions, *, progress: Progress) -> Answer:
    """Ask a map for a property."""
    from napari_visualccc.maps import cluster_micrographs, cluster_table, predict_property

    result = predict_property(made, target, options, progress=progress.part(0, 0.8))
    progress(0.8, "grouping the micrographs")
    labels = cluster_micrographs(made, options.clusters, options.seed)
    return Answer(result, cluster_table(made, labels, target, options.group), labels)


def run_regions(
    made: MicrographMap, target: str, group: str, plane: Plane, *, progress: Progress
) -> tuple[Regions, Provenance]:
    """Heatmap of a property over a plane."""
    from napari_visualccc.maps import driving_regions
    from napari_visualccc.models.micrographs import Micrograph
    from napari_visualccc.models.nn.embedding import Embedder

    progress(0.0, "loading the network")
    item = Micrograph(plane.planes, plane.index, plane.pixel_size)
    found = driving_regions(made, target, item, Embedder(made.options), group=group, progress=progress)
    parameters = {"target": target, "group": group, "prediction": found.prediction, "typical": found.regressor.mean}
    command = f"visualccc map properties MAP --target {target} --regions {plane.name} --output regions"
    return found, Provenance("map regions", parameters, plane.name, fingerprint(plane.planes.only(plane.index)),
                             command, None, made.embedder)  # fmt: skip


def run_mosaic(made: MicrographMap, *, progress: Progress) -> Mosaic:
    """Lay thumbnails out."""
    from napari_visualccc.maps.mosaic import mosaic_of

    progress(0.0, "laying thumbnails out")
    return mosaic_of(made.thumbnails, made.coordinates)


def run_open(paths: list[Path], title: str, *, progress: Progress) -> list[Any]:
    """Open files as a stack (several, if their pixel sizes differ)."""
    from napari_visualccc.io.folders import read_files
    from napari_visualccc.io.readers import read_file
    from napari_visualccc.maps.stacks import one_stack

    progress(0.0, "opening micrographs")
    return one_stack(read_files(paths, read_file, title, paths[0].parent), title)
