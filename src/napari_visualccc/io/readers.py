"""From a path to calibrated images: which reader takes which file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.folders import natural, read_files
from napari_visualccc.io.rosetta import PLUGINS, damaged, quiet, read_rosetta

TIFF_EXTENSIONS = ("tif", "tiff")
PICTURE_EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "gif", "webp")
EXTENSIONS = (*PLUGINS, *TIFF_EXTENSIONS, *PICTURE_EXTENSIONS)

_log = logging.getLogger(__name__)


def read(path: str | Path) -> list[ImageSignal]:
    """Read all images of a file, or the images of a folder as a stack.

    Parameters
    ----------
    path
        File in a format of `EXTENSIONS`, OME-Zarr folder, or folder of such files.

    Returns
    -------
    list of ImageSignal
        At least one; large arrays are memory-mapped or lazy.

    Raises
    ------
    FileFormatError
        If the file is missing, foreign, damaged, or holds no image; the message names it.
    """
    path = Path(path)
    if not path.exists():
        raise FileFormatError(f"{path} does not exist")
    if path.is_dir():
        return _read_zarr(path) if _is_zarr(path) else read_folder(path)
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path} is empty: it has no bytes")
    signals = _read_file(path)
    for signal in signals:
        for note in signal.notes:
            _log.info("%s: %s", path, note)
    return signals


def read_folder(path: str | Path) -> list[ImageSignal]:
    """Read the images of a folder as one lazy stack (several, if their shapes, types or pixel sizes differ).

    Files of other kinds are passed over; of a `.ser` with its `.emi` the pair counts once.
    """
    path = Path(path)
    entries = [entry for entry in sorted(path.iterdir(), key=natural) if not entry.name.startswith(".")]
    files = [entry for entry in entries if entry.is_file() and _extension(entry) in EXTENSIONS]
    with_series = {emi_of(entry) for entry in files if _extension(entry) == "ser"}
    return read_files([entry for entry in files if entry not in with_series], _read_file, path.name, path)


def _extension(path: Path) -> str:
    return path.suffix.lower().lstrip(".")


def _is_zarr(path: Path) -> bool:
    return any((path / name).exists() for name in ("zarr.json", ".zattrs", ".zgroup", ".zarray"))


def _read_zarr(path: Path) -> list[ImageSignal]:
    if _extension(path) == "zspy":
        return read_rosetta(path)
    from napari_visualccc.io.ome_zarr import read_ome_zarr

    return read_ome_zarr(path)


def _read_file(path: Path) -> list[ImageSignal]:
    extension = _extension(path)
    if extension in TIFF_EXTENSIONS:
        from napari_visualccc.io.tiff import read_tiff

        return read_tiff(path)
    if extension in PICTURE_EXTENSIONS:
        return [_read_picture(path)]
    if extension == "ser":
        return _read_series(path)
    if extension in PLUGINS:
        return read_rosetta(path)
    raise FileFormatError(f"{path} is of no format that is read here; these are: {', '.join(EXTENSIONS)}")


def emi_of(series: Path) -> Path | None:
    """The `.emi` file beside a `.ser` file: of ``scan_1.ser`` it is ``scan.emi``."""
    stem, _, number = series.stem.rpartition("_")
    if not (stem and number.isdigit()):
        return None
    for suffix in (".emi", ".EMI"):
        if (series.parent / (stem + suffix)).exists():
            return series.parent / (stem + suffix)
    return None


def _read_series(path: Path) -> list[ImageSignal]:
    """A `.ser` file alone does not know whether it is an image or a diffraction pattern; its `.emi` does."""
    emi = emi_of(path)
    if emi is not None:
        try:
            from_pair = [signal for signal in read_rosetta(emi) if signal.metadata.get("file") == path.name]
        except FileFormatError:
            from_pair = []
        if from_pair:
            return [_renamed(signal, path) for signal in from_pair]
    return read_rosetta(path)


def _renamed(signal: ImageSignal, path: Path) -> ImageSignal:
    from dataclasses import replace

    return replace(signal, name=path.stem, path=path)


def _read_picture(path: Path) -> ImageSignal:
    import imageio.v3 as iio

    with quiet():
        try:
            data = np.asarray(iio.imread(path))
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
