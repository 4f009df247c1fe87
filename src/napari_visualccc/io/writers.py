"""Results to files: OME-TIFF, CSV and JSON, each written beside its place and then moved there."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.pixel_size import NANOMETRE, Axis, PixelSize
from napari_visualccc.core.plain import plain
from napari_visualccc.core.results import Result

if TYPE_CHECKING:
    import pandas as pd

Calibration = tuple[Axis, ...] | PixelSize
# OME-TIFF knows these axes; whatever stands before y and x is called plane (Q) if it is none of them.
_LETTERS = {"y": "Y", "x": "X", "z": "Z", "time": "T", "t": "T", "channel": "C"}
# Pixels handed over at a time: results that lie in a temporary file are larger than memory, each plane of them even.
_BLOCK = 1 << 22


def axes_for(data: Any, calibration: Calibration, *, rgb: bool = False) -> tuple[Axis, ...]:
    """Axes of an array: those given, or y and x of a pixel size with plain axes before them."""
    shape = tuple(data.shape[:-1] if rgb else data.shape)
    if isinstance(calibration, PixelSize):
        size = calibration
        extra = [Axis("z" if len(shape) == 3 else f"axis {i}", n) for i, n in enumerate(shape[:-2])]
        y, x = shape[-2:]
        return (*extra, Axis("y", y, size.y, 0.0, size.unit), Axis("x", x, size.x, 0.0, size.unit))
    if tuple(axis.size for axis in calibration) != shape:
        raise ValueError(f"axes {[axis.size for axis in calibration]} do not fit data of shape {data.shape}")
    return tuple(calibration)


def write_tiff(
    path: str | Path,
    data: Any,
    calibration: Calibration,
    *,
    labels: bool = False,
    rgb: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write an image or labels as OME-TIFF with its pixel size.

    Parameters
    ----------
    path
        File to make or replace.
    data
        Shape (…, Y, X), or (…, Y, X, 3|4) if `rgb`; written a few rows at a time, labels plane by plane.
    calibration
        Axes of the data, or the size of a pixel.
    labels
        Compress, as label images shrink a hundredfold.
    metadata
        Record to keep with the image (provenance).

    Notes
    -----
    OME knows lengths only. Reciprocal units and angles are kept in the image's description, where our reader finds
    them; other programs see pixels then, not wrong nanometres.
    """
    import tifffile

    path = Path(path)
    axes = axes_for(data, calibration, rgb=rgb)
    if 0 in data.shape:
        raise OutputError(f"{path} could not be written: the image is empty, its shape is {tuple(data.shape)}")
    dtype = _ome_type(data)
    letters = _letters(axes)
    kept = [
        {"letter": letter, "name": axis.name, "scale": axis.scale, "offset": axis.offset, "unit": axis.unit}
        for letter, axis in zip(letters, axes, strict=True)
    ]
    description = json.dumps({"visualccc": {"axes": kept, **dict(metadata or {})}}, default=str)
    about: dict[str, Any] = {"axes": letters + ("S" if rgb else ""), "Name": path.stem, "Description": description}
    for letter, axis in zip(letters, axes, strict=True):
        if axis.unit == NANOMETRE and letter in "ZYX":
            about |= {f"PhysicalSize{letter}": axis.scale, f"PhysicalSize{letter}Unit": "nm"}
        if axis.unit == "s" and letter == "T":
            about |= {"TimeIncrement": axis.scale, "TimeIncrementUnit": "s"}
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            _parts(data, dtype, rgb=rgb, whole=labels),
            shape=data.shape,
            dtype=dtype,
            ome=True,
            photometric="rgb" if rgb else "minisblack",
            compression="zlib" if labels else None,
            metadata=about,
            bigtiff=math.prod(data.shape) * dtype.itemsize > 2**31,
        )
    return path


def _parts(data: Any, dtype: np.dtype[Any], *, rgb: bool, whole: bool) -> Iterator[np.ndarray[Any, Any]]:
    """Rows of all planes in the file's type: a block at a time, or `whole` planes, which compression asks for."""
    flat = 3 if rgb else 2
    height, width = data.shape[-flat], data.shape[1 - flat]
    step = height if whole else max(1, _BLOCK // width)
    for place in np.ndindex(data.shape[:-flat]):
        plane = data[place]
        if not isinstance(plane, np.ndarray):
            plane = np.asarray(plane)  # computed once, not for each block
        for top in range(0, height, step):
            yield np.ascontiguousarray(plane[top : top + step], dtype)


def _ome_type(data: Any) -> np.dtype[Any]:
    """Type that OME-TIFF has and others read."""
    dtype: np.dtype[Any] = np.dtype(data.dtype)
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    if dtype.kind in "iu" and dtype.itemsize == 8:
        return _narrowed(data)
    return dtype


def _narrowed(data: Any) -> np.dtype[Any]:
    """TIFF readers stumble over 64-bit integers: 32 bits if the values fit, else float64."""
    low, high = int(data.min()), int(data.max())
    for dtype in (np.uint32, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.float64)


def _letters(axes: tuple[Axis, ...]) -> str:
    letters = ["Y", "X"]
    for axis in reversed(axes[:-2]):
        wanted = [_LETTERS.get(axis.name.lower(), "Z"), "Z", "T", "C"]
        free = [letter for letter in wanted if letter not in letters]
        if not free:
            raise OutputError("OME-TIFF holds at most five axes; save as OME-Zarr instead")
        letters.insert(0, free[0])
    return "".join(letters)


def write_csv(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table as CSV, UTF-8, units in the names of the columns."""
    path = Path(path)
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8")
    return path


def write_json(path: str | Path, record: Mapping[str, Any]) -> Path:
    """Write a record as JSON; numbers that are not finite become null."""
    path = Path(path)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(plain(record), indent=2, default=str), encoding="utf-8")
    return path


def file_part(title: str) -> str:
    """Title of a layer as part of a file name: names of classes may hold anything (Li/Li2O)."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]', "-", title)


def write_result(
    result: Result, folder: str | Path, stem: str, calibration: Calibration, *, zarr: bool = False
) -> list[Path]:
    """Write the layers (OME-TIFF, or OME-Zarr), tables (CSV) and provenance (JSON) of a result.

    Returns
    -------
    list of Path
        ``<stem>_<title>.ome.tif``, ``<stem>_<table>.csv``, ``<stem>_provenance.json``.
    """
    return [*write_layers(result, folder, stem, calibration, zarr=zarr), *write_tables(result, folder, stem)]


def write_layers(
    result: Result, folder: str | Path, stem: str, calibration: Calibration, *, zarr: bool = False
) -> list[Path]:
    """Write the layers of a result as ``<stem>_<title>.ome.tif``, or OME-Zarr."""
    if zarr:
        from napari_visualccc.io.ome_zarr import write_ome_zarr as write
    else:
        write = write_tiff
    extension = ".ome.zarr" if zarr else ".ome.tif"
    record = {"provenance": result.provenance.as_dict()}
    return [
        write(
            Path(folder) / f"{stem}_{file_part(layer.title)}{extension}",
            layer.data,
            calibration,
            labels=layer.kind == "labels",
            metadata=record,
        )
        for layer in result.layers
    ]


def write_tables(result: Result, folder: str | Path, stem: str) -> list[Path]:
    """Write the tables of a result as ``<stem>_<table>.csv``, and ``<stem>_provenance.json``."""
    folder = Path(folder)
    written = [write_csv(folder / f"{stem}_{name}.csv", table) for name, table in result.tables.items()]
    return [*written, write_json(folder / f"{stem}_provenance.json", result.provenance.as_dict())]
