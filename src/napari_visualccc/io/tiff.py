"""TIFF with the tags of instruments and programs: OME, ImageJ, Gatan, FEI, Zeiss, JEOL, Olympus, TVIPS.

Pixels come from tifffile, mapped or page by page where they are large; scales from OME-XML, from ImageJ's tags, or
through RosettaSciIO from the instrument's own tags.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import PIXEL, Axis, read_scale
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.metadata import instrument
from napari_visualccc.io.rosetta import LOADED_BYTES, damaged, quiet

# How an axis of tifffile is called here.
_NAMES = {"Y": "y", "X": "x", "Z": "z", "T": "time", "C": "channel", "I": "image", "Q": "plane"}


def read_tiff(path: Path) -> list[ImageSignal]:
    """Read all image series of a TIFF file.

    Raises
    ------
    FileFormatError
        If the file is foreign or damaged.
    """
    import tifffile

    complaints = _Complaints()
    with quiet(), complaints:
        try:
            with tifffile.TiffFile(path) as tiff:
                series = [entry for entry in tiff.series if entry.size]
                signals = [_signal(path, tiff, number, entry) for number, entry in enumerate(series)]
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


def _signal(path: Path, tiff: Any, number: int, series: Any) -> ImageSignal:
    letters = series.axes
    data = _pixels(path, tiff, number, series)
    rgb = letters.endswith("S") and data.shape[-1] in (3, 4)
    if rgb:
        letters = letters[:-1]
    elif "S" in letters:  # planar colours: the sample axis goes last
        place = letters.index("S")
        if data.shape[place] in (3, 4):
            data, rgb = np.moveaxis(data, place, -1), True
            letters = letters.replace("S", "")
    notes: list[str] = []
    scales, metadata = _scales(path, tiff, series)
    spatial = data.shape[:-1] if rgb else data.shape
    axes = []
    for letter, size in zip(letters, spatial, strict=True):
        value, shift, unit, note = read_scale(*scales.get(letter, (None, None, 0.0)))
        if note:
            notes.append(f"axis {_NAMES.get(letter, letter.lower())}: {note}; shown in pixels")
        axes.append(Axis(_NAMES.get(letter, letter.lower()), int(size), value, shift, unit))
    name = path.name.removesuffix(path.suffix).removesuffix(".ome")
    if number:
        name = f"{name} [{number}]"
    return ImageSignal(data, tuple(axes), name, path, rgb=rgb, metadata=metadata, notes=tuple(notes))


def _pixels(path: Path, tiff: Any, number: int, series: Any) -> Any:
    if series.nbytes <= LOADED_BYTES:
        return series.asarray()
    if series.dataoffset is not None and series.dtype is not None:
        order = tiff.byteorder
        return np.memmap(path, series.dtype.newbyteorder(order), "r", series.dataoffset, series.shape)
    return _lazy_pages(path, number, series)


def _lazy_pages(path: Path, number: int, series: Any) -> Any:
    """Compressed or tiled pages, each read when it is looked at."""
    import dask
    import dask.array as da
    import tifffile

    page_shape = series.keyframe.shape
    count = max(1, int(np.prod(series.shape, dtype=np.int64) // np.prod(page_shape, dtype=np.int64)))

    def load(page: int) -> Any:
        with tifffile.TiffFile(path) as tiff:
            return tiff.series[number].pages[page].asarray()

    pages = [da.from_delayed(dask.delayed(load)(page), page_shape, series.dtype) for page in range(count)]
    return da.stack(pages).reshape(series.shape) if count > 1 else pages[0].reshape(series.shape)


Scales = dict[str, tuple[Any, Any, Any]]


def _scales(path: Path, tiff: Any, series: Any) -> tuple[Scales, dict[str, Any]]:
    """Scale, unit and offset by axis letter, and instrument settings."""
    if tiff.is_ome:
        return _from_ome(tiff.ome_metadata, tiff.series.index(series)), {}
    if tiff.is_imagej:
        return _from_imagej(tiff, series), {}
    return _from_rosetta(path, tiff, series)


def _from_ome(xml: str, number: int) -> Scales:
    import tifffile

    images = tifffile.xml2dict(xml)["OME"]["Image"]
    image = (images if isinstance(images, list) else [images])[number]
    pixels = image["Pixels"]
    kept = _kept_axes(image)
    scales: Scales = {
        letter: (pixels[f"PhysicalSize{letter}"], pixels.get(f"PhysicalSize{letter}Unit", "µm"), 0.0)
        for letter in "ZYX"
        if f"PhysicalSize{letter}" in pixels
    }
    if "TimeIncrement" in pixels:
        scales["T"] = (pixels["TimeIncrement"], pixels.get("TimeIncrementUnit", "s"), 0.0)
    return scales | kept


def _kept_axes(image: dict[str, Any]) -> Scales:
    """Axes that our own writer left in the description, for what OME lengths cannot say."""
    try:
        axes = json.loads(image.get("Description", ""))["visualccc"]["axes"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {axis["letter"]: (axis["scale"], axis["unit"], axis["offset"]) for axis in axes if axis["unit"] != PIXEL}


def _from_imagej(tiff: Any, series: Any) -> Scales:
    tags = series.keyframe.tags
    about = tiff.imagej_metadata or {}
    unit = str(about.get("unit", "")).replace("\\\\u00B5", "µ").replace("\\u00B5", "µ")
    scales: Scales = {}
    for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
        if tag in tags:
            numerator, denominator = tags[tag].value
            if numerator and denominator:
                scales[letter] = (denominator / numerator, unit, 0.0)
    if "spacing" in about:
        scales["Z"] = (about["spacing"], about.get("zunit", unit), 0.0)
    if "finterval" in about:
        scales["T"] = (about["finterval"], "s", 0.0)
    return scales


def _from_rosetta(path: Path, tiff: Any, series: Any) -> tuple[Scales, dict[str, Any]]:
    """Tags of Gatan, FEI, Zeiss, JEOL, Olympus and TVIPS, through RosettaSciIO.

    Its public reader would open the file again and leave it open until the garbage collector comes by.
    """
    try:
        from rsciio.tiff._api import _read_tiff

        raw = _read_tiff(tiff, series, str(path), lazy=True)
    except Exception:  # noqa: BLE001 - tags that cannot be understood leave the image uncalibrated
        return {}, {}
    scales: Scales = {}
    for axis in raw["axes"]:
        letter = {"height": "Y", "width": "X", "y": "Y", "x": "X"}.get(str(axis.get("name")).lower())
        if letter and axis.get("units") not in (None, ""):
            scales[letter] = (axis["scale"], axis["units"], axis.get("offset", 0.0))
    return scales, instrument(raw)
