"""Results that are computed straight into OME-Zarr: no second copy in memory or in temporary files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from napari_visualccc.core.files import replacing, writing
from napari_visualccc.core.results import Result
from napari_visualccc.io.ome_zarr import create_array, describe
from napari_visualccc.io.writers import Calibration, axes_for, file_part, write_tables


class _Array:
    """An array that says which file could not be written; reading what is put into it may fail for its own reasons."""

    def __init__(self, array: Any, path: Path) -> None:
        self._array, self._path = array, path

    def __setitem__(self, place: Any, values: Any) -> None:
        with writing(self._path):
            self._array[place] = values

    def __getitem__(self, place: Any) -> Any:
        return self._array[place]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._array, name)


class ZarrResult:
    """Files of one result; see `zarr_result`."""

    def __init__(self, folder: str | Path, stem: str, calibration: Calibration, files: ExitStack) -> None:
        self._folder, self._stem, self._calibration, self._files = Path(folder), stem, calibration, files
        self._begun: dict[str, tuple[Path, Path]] = {}

    def array(self, title: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """Array of zeros for the layer of this title."""
        path = self._folder / f"{self._stem}_{file_part(title)}.ome.zarr"
        temporary = self._files.enter_context(replacing(path))
        self._begun[title] = path, temporary
        with writing(path):
            return _Array(create_array(temporary, shape, dtype), path)

    def finish(self, result: Result) -> list[Path]:
        """Say what the arrays are, and write tables and provenance: as `write_result` does it."""
        written = []
        for layer in result.layers:
            path, temporary = self._begun[layer.title]
            axes = axes_for(layer.data, self._calibration)
            record = {"provenance": result.provenance.as_dict()}
            with writing(path):
                describe(temporary, axes, labels=layer.kind == "labels", metadata=record)
            written.append(path)
        return [*written, *write_tables(result, self._folder, self._stem)]


@contextmanager
def zarr_result(folder: str | Path, stem: str, calibration: Calibration) -> Iterator[ZarrResult]:
    """Files to compute a result into, moved to their places when all is well; otherwise nothing of them is left.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    with ExitStack() as files:
        yield ZarrResult(folder, stem, calibration, files)
