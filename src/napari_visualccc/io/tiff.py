"""Pixels of TIFF files through tifffile: mapped or page by page where they are large."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis, read_scale
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.rosetta import LOADED_BYTES, damaged, quiet, real_parts
from napari_visualccc.io.tiff_tags import read_scales

# How an axis of tifffile is called here.
_NAMES = {"Y": "y", "X": "x", "Z": "z", "T": "time", "C": "channel", "I": "image", "Q": "plane", "S": "sample"}
# Edge of the blocks in which tiled images are read, in pixels.
_BLOCK_EDGE = 2048


def read_tiff(path: Path, *, load: int | None = None) -> list[ImageSignal]:
    """Read all image series of a TIFF file.

    Parameters
    ----------
    path
        The file.
    load
        Images of up to so many bytes are loaded at once, larger ones mapped or read page by page; `LOADED_BYTES`
        by default.

    Raises
    ------
    FileFormatError
        If the file is foreign or damaged.
    """
    import tifffile

    limit = LOADED_BYTES if load is None else load
    complaints = _Complaints()
    signals: list[ImageSignal] = []
    with quiet(), complaints:
        try:
            with tifffile.TiffFile(path) as tiff:
                for number, series in enumerate(tiff.series):
                    if series.size and len(series.shape) > 1:
                        signals += real_parts(_signal(path, tiff, number, limit))
        except FileFormatError:
            raise
        except Exception as error:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
            raise damaged(path, "TIFF", error) from error
    if complaints.found:
        raise damaged(path, "TIFF", ValueError(complaints.found[0]))
    if not signals:
        raise FileFormatError(f"{path} cannot be shown as an image: there is no image in it")
    return signals


class _Complaints(logging.Handler):
    """Catches what tifffile only logs: pages that lie beyond the end of the file are pages that are lost."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "invalid page offset" in record.getMessage() or "invalid offset to first page" in record.getMessage():
            self.found.append(record.getMessage())

    def __enter__(self) -> _Complaints:
        log = logging.getLogger("tifffile")
        self._before = log.propagate
        log.propagate = False
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        log = logging.getLogger("tifffile")
        log.removeHandler(self)
        log.propagate = self._before


def _signal(path: Path, tiff: Any, number: int, limit: int) -> ImageSignal:
    series = tiff.series[number]
    data, letters, rgb = _image_last(_pixels(path, tiff, number, series, limit), series.axes)
    scales, metadata, notes = read_scales(path, tiff, series)
    spatial = data.shape[:-1] if rgb else data.shape
    axes = []
    for letter, size in zip(letters, spatial, strict=True):
        value, shift, unit, note = read_scale(*scales.get(letter, (None, None, 0.0)))
        name = _NAMES.get(letter, letter.lower())
        if note:
            notes.append(f"axis {name}: {note}; shown in pixels")
        axes.append(Axis(name, int(size), value, shift, unit))
    title = path.name.removesuffix(path.suffix).removesuffix(".ome")
    if number:
        title = f"{title} [{number}]"
    return ImageSignal(data, tuple(axes), title, path, rgb=rgb, metadata=metadata, notes=tuple(notes))


def _image_last(data: Any, letters: str) -> tuple[Any, str, bool]:
    """Array, axis letters and whether it has colours: those go last, samples that are no colours first."""
    if "S" not in letters:
        return data, letters, False
    place = letters.index("S")
    rest = letters.replace("S", "")
    if data.shape[place] in (3, 4):
        return np.moveaxis(data, place, -1), rest, True
    return np.moveaxis(data, place, 0), f"S{rest}", False


def _pixels(path: Path, tiff: Any, number: int, series: Any, limit: int) -> Any:
    if series.nbytes <= limit:
        return series.asarray()
    if series.dataoffset is not None and series.dtype is not None:
        order = tiff.byteorder
        return np.memmap(path, series.dtype.newbyteorder(order), "r", series.dataoffset, series.shape)
    return _lazy_pages(path, number, series)


def _lazy_pages(path: Path, number: int, series: Any) -> Any:
    """Compressed or tiled pages, each page or tile read when it is looked at."""
    import dask
    import dask.array as da
    import tifffile

    if series.keyframe.is_tiled:
        return _lazy_tiles(path, number, series)
    page_shape = series.keyframe.shape
    count = max(1, int(np.prod(series.shape, dtype=np.int64) // np.prod(page_shape, dtype=np.int64)))

    def load(page: int) -> Any:
        with tifffile.TiffFile(path) as tiff:
            return tiff.series[number].pages[page].asarray()

    pages = [da.from_delayed(dask.delayed(load)(page), page_shape, series.dtype) for page in range(count)]
    return da.stack(pages).reshape(series.shape) if count > 1 else pages[0].reshape(series.shape)


def _lazy_tiles(path: Path, number: int, series: Any) -> Any:
    """Blocks of whole tiles; the file is open only while one is read."""
    import dask.array as da
    import tifffile
    import zarr

    def load(block_info: Any = None) -> Any:
        place = tuple(slice(start, stop) for start, stop in block_info[None]["array-location"])
        with tifffile.TiffFile(path) as tiff, tiff.series[number].aszarr(level=0) as store:
            return np.asarray(zarr.open(store, mode="r")[place])

    tile = (series.keyframe.tilelength, series.keyframe.tilewidth)
    sizes = [1] * len(series.shape)
    for letter, edge in zip("YX", tile, strict=True):
        sizes[series.axes.index(letter)] = edge * max(1, _BLOCK_EDGE // edge)
    if "S" in series.axes:
        sizes[series.axes.index("S")] = series.shape[series.axes.index("S")]
    chunks = da.core.normalize_chunks(tuple(sizes), series.shape)
    return da.map_blocks(load, chunks=chunks, dtype=series.dtype, meta=np.empty((0,) * len(sizes), series.dtype))
