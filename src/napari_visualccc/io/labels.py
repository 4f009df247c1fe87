"""Label images: the value of a pixel is the number of its class, whatever it looks like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.readers import PICTURE_EXTENSIONS, TIFF_EXTENSIONS, large_pictures, read, read_file
from napari_visualccc.io.rosetta import quiet

# As Pillow calls them; MPO is several JPEG pictures in a file.
_JPEG = ("JPEG", "MPO")
_LOSSY = (
    "{path} is a JPEG picture, whose compression changes the values of labels near outlines: save masks as PNG, or as "
    "TIFF without JPEG"
)


def read_label_file(path: Path, *, load: int | None = None) -> list[ImageSignal]:
    """Read all label images of a file.

    As `napari_visualccc.io.read`, but of a picture with a palette (as of labelme, and Pascal VOC) the indices are read:
    its colours are only how the classes are shown. A palette of greys is one that a program made to save space; there,
    the greys are read.

    Parameters
    ----------
    path
        File or OME-Zarr folder.
    load
        As in `napari_visualccc.io.readers.read_file`.

    Raises
    ------
    InputError
        If it is a JPEG picture, or compressed as one.
    FileFormatError
        As `napari_visualccc.io.read`.
    """
    extension = path.suffix.lower().lstrip(".")
    indices = None
    if extension in PICTURE_EXTENSIONS:
        indices = _indices(path)
    elif extension in TIFF_EXTENSIONS and _is_jpeg_in_tiff(path):
        raise InputError(_LOSSY.format(path=path))
    if indices is not None:
        axes = tuple(map(Axis, ("y", "x"), indices.shape))
        return [ImageSignal(indices, axes, path.stem, path)]
    return read(path) if load is None or path.is_dir() else read_file(path, load=load)


def _indices(path: Path) -> NDArray[np.uint8] | None:
    """Indices of a picture with a palette of colours; None if it has none, or cannot be opened, as `read` will say."""
    from PIL import Image

    try:
        with quiet(), large_pictures(path), Image.open(path) as picture:
            kind, indices = picture.format, np.array(picture) if _has_colours(picture) else None
    except Exception:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
        return None
    if kind in _JPEG:
        raise InputError(_LOSSY.format(path=path))
    return indices


def _is_jpeg_in_tiff(path: Path) -> bool:
    """True for a TIFF file whose pixels are compressed as JPEG; False if it cannot be opened, as `read` will say."""
    import tifffile

    try:
        with quiet(), tifffile.TiffFile(path) as tiff:
            return tiff.pages.first.compression in (tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG)
    except Exception:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
        return False


def _has_colours(picture: Any) -> bool:
    """True for a single picture with a palette that holds more than greys."""
    if picture.mode != "P" or getattr(picture, "n_frames", 1) > 1:
        return False
    colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)
    return bool((colours != colours[:, :1]).any())


def whole_numbers(labels: ImageSignal) -> ImageSignal:
    """Labels that a program keeps as floating-point numbers (ImageJ in 32 bits, NumPy) as the whole numbers they are.

    Raises
    ------
    InputError
        If a value is not whole, as NaN: at once, or, if the labels are not in memory, when they are looked at.
    """
    data = labels.data
    if labels.rgb or data.dtype.kind != "f":
        return labels

    if type(data) is np.ndarray:
        return replace(labels, data=_whole(data, labels.path))
    import dask.array as da

    empty = np.empty((0,) * data.ndim, np.int32)
    if hasattr(data, "map_blocks"):
        return replace(labels, data=da.map_blocks(_whole, data, path=labels.path, dtype=np.int32, meta=empty))
    by_plane = (*(1 for _ in data.shape[:-2]), *data.shape[-2:])
    return replace(labels, data=da.from_array(_WholeNumbers(data, labels.path), by_plane, name=False, meta=empty))


class _WholeNumbers:
    """Labels on disk as whole numbers, each part when it is looked at; dask would copy a memory map itself at once."""

    def __init__(self, data: Any, path: Path | None) -> None:
        self._data, self._path = data, path
        self.shape, self.ndim, self.dtype = data.shape, data.ndim, np.dtype(np.int32)

    def __getitem__(self, part: Any) -> NDArray[np.int32]:
        return _whole(np.asarray(self._data[part]), self._path)


def _whole(values: NDArray[np.floating], path: Path | None) -> NDArray[np.int32]:
    with np.errstate(invalid="ignore"):  # what has no whole number differs from whatever it becomes
        found = values.astype(np.int32)
    other = values[found != values]
    if other.size:
        raise InputError(
            f"labels must be whole numbers, one per phase; {path} holds {values.dtype} values such as "
            f"{other[0]:.4g} (-1 is for pixels without a label)"
        )
    return found
