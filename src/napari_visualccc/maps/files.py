"""A map in one file: a Zarr store in a ZIP, which opens without the micrographs."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.results import Provenance
from napari_visualccc.maps.neighbours import Matrix
from napari_visualccc.maps.options import MapOptions
from napari_visualccc.maps.projection import Quality
from napari_visualccc.maps.scaling import Scaling

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "visualccc-map", 1
EXTENSION = ".map.zarr.zip"
_ARRAYS = ("vectors", "coordinates", "thumbnails", "mean", "spread")
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class MicrographMap:
    """Micrographs laid out by likeness.

    Attributes
    ----------
    entries
        One row per micrograph: ``path``, ``plane``, ``name``, ``hash``, ``duplicate_of`` (name of an earlier one with
        the same pixels, or empty), ``height``, ``width``, ``pixel_nm`` (NaN if unknown), ``brightness``, ``contrast``.
    table
        Measured properties, one row per micrograph, empty where there are none.
    vectors, coordinates
        float32, shapes (N, D) and (N, 2).
    thumbnails
        uint8, shape (N, S, S).
    scaling
        Of the micrographs that the layout was made of.
    quality
        How far the layout can be trusted.
    options, embedder
        How it was made, and the hash of what looked at the micrographs.
    problems, unmatched
        Files that could not be read, with the reason; keys of the table and names of micrographs without partner.
    provenance
        How it was made.
    """

    entries: pd.DataFrame
    table: pd.DataFrame
    vectors: Matrix
    coordinates: Matrix
    thumbnails: NDArray[np.uint8]
    scaling: Scaling
    quality: Quality
    options: MapOptions
    embedder: str
    provenance: Provenance
    problems: tuple[str, ...] = ()
    unmatched: Mapping[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def scaled(self) -> Matrix:
        """Vectors on the scale that the layout was made of."""
        return self.scaling.apply(self.vectors)

    @property
    def names(self) -> list[str]:
        """Name of each micrograph."""
        return [str(name) for name in self.entries["name"]]

    @property
    def full_table(self) -> pd.DataFrame:
        """Names, coordinates, properties and what is known of the files, for export."""
        import pandas as pd

        place = pd.DataFrame(self.coordinates, columns=["map_x", "map_y"])
        shown = self.entries.drop(columns=["hash"])
        extra = self.table[[c for c in self.table.columns if c not in shown.columns]]
        return pd.concat([shown, place, extra], axis=1)

    def column(self, name: str) -> pd.Series:
        """A column of properties or of what is known of the files."""
        return self.table[name] if name in self.table.columns else self.entries[name]


def save_map(made: MicrographMap, path: str | Path) -> Path:
    """Write a map; the old file stays if something fails.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import zarr

    path = Path(path)
    record = {
        "format": FORMAT, "version": VERSION, "options": made.options.as_dict(), "embedder": made.embedder,
        "quality": asdict(made.quality), "problems": list(made.problems), "unmatched": dict(made.unmatched),
        "provenance": made.provenance.as_dict(),
    }  # fmt: skip
    arrays: dict[str, NDArray[Any]] = {
        "vectors": made.vectors, "coordinates": made.coordinates, "thumbnails": made.thumbnails,
        "mean": made.scaling.mean, "spread": made.scaling.spread,
    }  # fmt: skip
    tables = {"entries": made.entries, "table": made.table}
    with atomic(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = zarr.storage.ZipStore(temporary, mode="w")
        try:
            group = zarr.create_group(store, attributes={"visualccc": json.loads(json.dumps(record, default=str))})
            for name, values in arrays.items():
                _write(group, name, values)
            for name, table in tables.items():
                text = table.to_json(orient="table", index=False, double_precision=15).encode()
                _write(group, name, np.frombuffer(text, np.uint8))
        finally:
            store.close()
    return path


def _write(group: Any, name: str, values: NDArray[Any]) -> None:
    rows = max(1, _CHUNK_BYTES // max(1, values[:1].nbytes))
    chunks = (min(rows, max(1, len(values))), *(max(1, n) for n in values.shape[1:]))
    group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks)
    if values.size:
        group[name][...] = values


def load_map(path: str | Path) -> MicrographMap:
    """Read a map.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, or no map.
    """
    import pandas as pd
    import zarr

    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"{path} does not exist: make a map with 'visualccc map build'")
    try:
        with zarr.storage.ZipStore(path, mode="r") as store, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            group = zarr.open_group(store, mode="r")
            record: dict[str, Any] = dict(group.attrs["visualccc"])
            if record["format"] != FORMAT or record["version"] > VERSION:
                raise FileFormatError(f"{path} was written by a newer version: update napari-visualccc")
            arrays = {name: np.asarray(group[name][...]) for name in _ARRAYS}
            tables = {
                name: pd.read_json(
                    io.BytesIO(np.asarray(group[name][...]).tobytes()), orient="table", precise_float=True
                )
                for name in ("entries", "table")
            }
    except FileFormatError:
        raise
    except Exception as error:  # a damaged archive may fail anywhere
        raise FileFormatError(f"{path} is damaged or not a map of micrographs: {error}") from error
    known = {name: value for name, value in record["options"].items() if name in MapOptions.__dataclass_fields__}
    provenance = Provenance(**record["provenance"])
    return MicrographMap(
        _texts(tables["entries"]), tables["table"], arrays["vectors"], arrays["coordinates"], arrays["thumbnails"],
        Scaling(arrays["mean"], arrays["spread"]), Quality(**record["quality"]), MapOptions(**known),
        str(record["embedder"]), provenance, tuple(record["problems"]), dict(record["unmatched"]),
    )  # fmt: skip


def _texts(entries: pd.DataFrame) -> pd.DataFrame:
    """Names that look like numbers stay texts."""
    return entries.assign(
        **{c: entries[c].astype(object).astype(str) for c in ("path", "name", "hash", "duplicate_of")}
    )


def relink(made: MicrographMap, folder: Path) -> tuple[MicrographMap, int]:
    """Find moved micrographs again below a folder, by name first and then by their pixels.

    Returns
    -------
    map, count
        The map with new paths, and how many were found.
    """
    from napari_visualccc.maps.reading import image_files, plane_hashes

    lost = [row for row, path in enumerate(made.entries["path"]) if not Path(path).exists()]
    wanted = {made.entries["hash"].iloc[row]: row for row in lost}
    names = {Path(made.entries["path"].iloc[row]).name for row in lost}
    files = sorted(image_files(folder, deep=True), key=lambda file: file.name not in names)
    paths = [str(path) for path in made.entries["path"]]
    left = set(lost)
    for file in files:
        if not left:
            break
        found = set(plane_hashes(file)) & wanted.keys()
        for row in [row for row in left if made.entries["hash"].iloc[row] in found]:
            paths[row] = str(file)
            left.discard(row)
    return replace(made, entries=made.entries.assign(path=paths)), len(lost) - len(left)
