"""From a path to calibrated images: which reader takes which file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.folders import natural, read_files
from napari_visualccc.io.rosetta import LOADED_BYTES, PLUGINS, damaged, loaded, quiet, read_rosetta
from napari_visualccc.io.tia import emi_of

TIFF_EXTENSIONS = ("tif", "tiff", "btf", "tf8")
PICTURE_EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "gif", "webp", "pgm", "ppm", "jp2")
EXTENSIONS = (*PLUGINS, *TIFF_EXTENSIONS, *PICTURE_EXTENSIONS)

# No picture format packs a pixel into less: run lengths and deflate end near 1:1032, eight pixels to a byte.
_MOST_PIXELS_PER_BYTE = 8 * 1032
_EVERYTHING = 1 << 62

_log = logging.getLogger(__name__)
_pillow = Lock()


def read(path: str | Path, *, lazy: bool = True) -> list[ImageSignal]:
    """Read all images of a file, or the images of a folder as a stack.

    Parameters
    ----------
    path
        File in a format of `EXTENSIONS`, OME-Zarr folder, or folder of such files.
    lazy
        Keep large arrays memory-mapped or lazy; False loads everything.

    Returns
    -------
    list of ImageSignal
        At least one.

    Raises
    ------
    FileFormatError
        If the file is missing, foreign, damaged, or holds no image; the message names it.
    """
    path = Path(path)
    try:
        signals = _read_path(path)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be opened: {error.strerror or error}") from error
    for signal in signals:
        for note in signal.notes:
            _log.info("%s: %s", path, note)
    return signals if lazy else [loaded(signal, _EVERYTHING) for signal in signals]


def read_folder(path: str | Path) -> list[ImageSignal]:
    """Read the images of a folder as one lazy stack (several, if their shapes, types or pixel sizes differ).

    Files of other kinds are passed over; of a `.ser` with its `.emi` the pair counts once.

    Raises
    ------
    FileFormatError
        If there is no such folder, or no image in it that can be read.
    """
    path = Path(path)
    try:
        files = [entry for entry in image_files(path) if entry.is_file()]
    except (OSError, ValueError) as error:  # ValueError: a name that no system allows
        raise FileFormatError(f"{path} cannot be opened as a folder: {error}") from error
    return read_files(files, read_file, path.resolve().name, path)


def image_files(folder: Path) -> list[Path]:
    """Image files and OME-Zarr folders of a folder in natural order; of a `.ser` with its `.emi` the pair counts once.

    Raises
    ------
    OSError
        If there is no such folder.
    """
    return images_among(sorted(folder.iterdir(), key=natural))


def images_among(entries: Iterable[Path]) -> list[Path]:
    """Those of some files and folders that are images, in their order; see `image_files`."""
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    found = [e for e in shown if e.suffix == ".zarr" or (e.is_file() and _extension(e) in EXTENSIONS)]
    with_series = {emi_of(entry) for entry in found if _extension(entry) == "ser"}
    return [entry for entry in found if entry not in with_series]


def _read_path(path: Path) -> list[ImageSignal]:
    if not path.exists():
        raise FileFormatError(f"{path} does not exist")
    if path.is_dir():
        return _read_zarr(path) if is_zarr(path) else read_folder(path)
    return read_file(path)


def _extension(path: Path) -> str:
    return path.suffix.lower().lstrip(".")


def is_zarr(path: Path) -> bool:
    """Tell whether a path is a Zarr store, by its extension or what is in it."""
    names = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
    return _extension(path) in ("zarr", "zspy") or any((path / name).exists() for name in names)


def is_readable_folder(path: Path) -> bool:
    """Tell whether a folder is a Zarr store or holds a file of a format that is read here; nothing is opened."""
    if is_zarr(path):
        return True
    try:
        return any(_extension(entry) in EXTENSIONS for entry in path.iterdir())
    except OSError:
        return False


def _read_zarr(path: Path) -> list[ImageSignal]:
    if _extension(path) == "zspy":
        return read_rosetta(path)
    from napari_visualccc.io.ome_zarr import read_ome_zarr

    return read_ome_zarr(path)


def read_file(path: Path, *, load: int | None = None) -> list[ImageSignal]:
    """Read all images of a file, arrays of up to `load` bytes at once.

    Raises
    ------
    FileFormatError
        As `read`.
    """
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path} is empty: it has no bytes")
    extension = _extension(path)
    if extension in TIFF_EXTENSIONS:
        from napari_visualccc.io.tiff import read_tiff

        return read_tiff(path, load=load)
    if extension in PICTURE_EXTENSIONS:
        return [_read_picture(path, LOADED_BYTES if load is None else load)]
    if extension in PLUGINS:
        return read_rosetta(path, load=load)
    raise FileFormatError(f"{path} is of no format that is read here; these are: {', '.join(EXTENSIONS)}")


def _read_picture(path: Path, load: int) -> ImageSignal:
    """Picture without a pixel size; one that is larger than `load` is decoded when it is looked at."""
    import imageio.v3 as iio

    with quiet(), large_pictures(path):
        try:
            about = iio.improps(path, plugin="pillow")
            nbytes = int(np.prod(about.shape, dtype=np.int64)) * about.dtype.itemsize
            data = _decode(path) if nbytes <= load else _decode_later(path, about.shape, about.dtype)
        except Exception as error:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
            raise damaged(path, "picture", error) from error
    rgb = data.ndim >= 3 and data.shape[-1] in (3, 4)
    if data.ndim >= 3 and data.shape[-1] == 2:  # grey with opacity
        data = data[..., 0]
    shape = data.shape[:-1] if rgb else data.shape
    if len(shape) < 2:
        raise FileFormatError(f"{path} cannot be shown as an image: its shape is {data.shape}")
    names = [*(f"axis {i}" for i in range(len(shape) - 3)), "image", "y", "x"][-len(shape) :]
    return ImageSignal(data, tuple(map(Axis, names, shape)), path.stem, path, rgb=rgb)


def _decode(path: Path) -> Any:
    import imageio.v3 as iio

    with iio.imopen(path, "r", plugin="pillow") as file:
        # Printers' inks shown as red, green, blue and opacity would be a different picture.
        words = {"mode": "RGB"} if file.metadata().get("mode") == "CMYK" else {}
        return np.asarray(file.read(**words))


def _decode_later(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    import dask
    import dask.array as da

    def decode() -> Any:
        with quiet(), large_pictures(path):
            return _decode(path)

    return da.from_delayed(dask.delayed(decode)(), shape, dtype)


@contextmanager
def large_pictures(path: Path) -> Iterator[None]:
    """Let Pillow read montages of any size, but not a file that promises more than its bytes can hold."""
    from PIL import Image

    with _pillow:
        before = Image.MAX_IMAGE_PIXELS
        # Pillow refuses above twice this number.
        Image.MAX_IMAGE_PIXELS = max(before or 0, path.stat().st_size * _MOST_PIXELS_PER_BYTE // 2)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
