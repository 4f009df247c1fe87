"""What the tags of a TIFF file say of its scale and its instrument.

OME-XML and ImageJ are read here; Gatan, FEI, Zeiss, JEOL, Olympus and TVIPS through RosettaSciIO; TESCAN, and Zeiss
files that RosettaSciIO gets no scale from, here again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from napari_visualccc.core.pixel_size import PIXEL, canonical_unit
from napari_visualccc.io.metadata import instrument

# Letter of an axis -> scale, unit and offset, as `read_scale` takes them.
Scales = dict[str, tuple[Any, Any, Any]]

_GATAN_SCALE_TAG = 65009
_TESCAN_TAG = 50431
# The resolution tags serve printers, too. No printer or scanner resolves 12 700 dots per inch: finer pixels than
# 2 µm are a microscope's.
_FINEST_PRINT_NM = 2000.0
_NM_PER_RESOLUTION_UNIT = {2: 2.54e7, 3: 1e7}


def read_scales(path: Path, tiff: Any, series: Any) -> tuple[Scales, dict[str, Any], list[str]]:
    """Scale, unit and offset by axis letter, instrument settings, and notes on what could not be understood."""
    notes: list[str] = []
    try:
        if tiff.is_ome:
            return *_from_ome(tiff.ome_metadata, tiff.series.index(series)), notes
        if tiff.is_imagej:
            return _from_imagej(tiff, series), {}, notes
    except Exception as error:  # noqa: BLE001 - whatever a program wrote there, the image itself is fine
        cause = " ".join(str(error).split())[:100]
        notes.append(f"the calibration in its tags cannot be understood ({cause}); shown in pixels")
        return {}, {}, notes
    scales, metadata = _from_rosetta(path, tiff, series, notes)
    page = series.keyframe
    if not _is_complete(scales):
        scales |= _from_zeiss(tiff) or _from_tescan(page) or _from_resolution(page)
    return scales, metadata, notes


def _is_complete(scales: Scales) -> bool:
    return all(letter in scales and float(scales[letter][0]) > 0 for letter in "YX")


def _from_ome(xml: str, number: int) -> tuple[Scales, dict[str, Any]]:
    import tifffile

    images = tifffile.xml2dict(xml)["OME"]["Image"]
    image = (images if isinstance(images, list) else [images])[number]
    pixels = image["Pixels"]
    scales: Scales = {
        letter: (pixels[f"PhysicalSize{letter}"], pixels.get(f"PhysicalSize{letter}Unit", "µm"), 0.0)
        for letter in "ZYX"
        if f"PhysicalSize{letter}" in pixels
    }
    if "TimeIncrement" in pixels:
        scales["T"] = (pixels["TimeIncrement"], pixels.get("TimeIncrementUnit", "s"), 0.0)
    kept = _kept_record(image)
    for axis in kept.get("axes", ()):
        if axis["unit"] != PIXEL:
            scales[axis["letter"]] = (axis["scale"], axis["unit"], axis["offset"])
    about = {"date": str(image["AcquisitionDate"])} if "AcquisitionDate" in image else {}
    return scales, about | dict(kept.get("instrument") or {})


def _kept_record(image: dict[str, Any]) -> dict[str, Any]:
    """What our own writer left in the description: axes, as OME lengths cannot say all, and instrument settings."""
    try:
        return dict(json.loads(image.get("Description", ""))["visualccc"])
    except (ValueError, KeyError, TypeError):
        return {}


def _from_imagej(tiff: Any, series: Any) -> Scales:
    tags = series.keyframe.tags
    about = tiff.imagej_metadata or {}
    # ImageJ escapes what is not ASCII: a backslash, u, and four digits.
    unit = re.sub(r"\\+u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), str(about.get("unit", "")))
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


def _from_rosetta(path: Path, tiff: Any, series: Any, notes: list[str]) -> tuple[Scales, dict[str, Any]]:
    """Tags of Gatan, FEI, Zeiss, JEOL, Olympus and TVIPS, through RosettaSciIO.

    Its public reader would open the file again and leave it open until the garbage collector comes by.
    """
    try:
        from rsciio.tiff._api import _read_tiff

        raw = _read_tiff(tiff, series, str(path), lazy=True)
        metadata = instrument(raw)
    except Exception as error:  # noqa: BLE001 - tags that cannot be understood leave the image uncalibrated
        if tiff.flags & {"fei", "sem", "sis", "tvips"}:
            notes.append(f"the instrument's tags cannot be understood ({' '.join(str(error).split())[:100]})")
        return {}, {}
    scales: Scales = {}
    for axis in raw["axes"]:
        letter = {"height": "Y", "width": "X", "y": "Y", "x": "X", "depth": "Z"}.get(str(axis.get("name")).lower())
        if letter and axis.get("units") not in (None, ""):
            scales[letter] = (axis["scale"], axis["units"], axis.get("offset", 0.0))
    if _height_and_width_are_swapped(series):
        scales = {{"Y": "X", "X": "Y"}.get(letter, letter): scale for letter, scale in scales.items()}
    return scales, metadata


def _height_and_width_are_swapped(series: Any) -> bool:
    """RosettaSciIO 0.15 gives the height of a pixel to its width, except for Gatan's tags, where it errs twice."""
    from rsciio.tiff._api import _order_axes_by_name

    probe = {"x": 1.0, "y": 2.0, "z": 3.0}
    height = _order_axes_by_name(["height"], probe, probe, probe)[0][0]
    return bool(height == probe["x"]) and _GATAN_SCALE_TAG not in series.keyframe.tags


def _from_zeiss(tiff: Any) -> Scales:
    """The named pixel size of SmartSEM: ``Image Pixel Size = 12.5 nm``."""
    about = tiff.sem_metadata if "sem" in tiff.flags else None
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        _, value, unit = (*(about or {}).get(key, ()), None, None, None)[:3]
        if isinstance(value, int | float) and value > 0 and canonical_unit(unit) is not None:
            return {"Y": (value, unit, 0.0), "X": (value, unit, 0.0)}
    return {}


def _from_tescan(page: Any) -> Scales:
    """Pixel size of TESCAN, in metres, among lines of ``key=value``."""
    tag = page.tags.get(_TESCAN_TAG)
    raw = tag.value if tag is not None else b""
    text = raw.decode("latin-1") if isinstance(raw, bytes) else str(raw)
    found = dict(re.findall(r"PixelSize([XY])\s*=\s*([\d.eE+-]+)", text))
    return {letter: (float(value), "m", 0.0) for letter, value in found.items()}


def _from_resolution(page: Any) -> Scales:
    """Dots per inch or centimetre, where they are too fine to be meant for a printer."""
    unit = page.tags.valueof("ResolutionUnit")
    factor = _NM_PER_RESOLUTION_UNIT.get(int(unit) if unit is not None else 0)
    scales: Scales = {}
    for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
        numerator, denominator = page.tags.valueof(tag) or (0, 0)
        if factor and numerator and denominator and factor * denominator / numerator < _FINEST_PRINT_NM:
            scales[letter] = (factor * denominator / numerator, "nm", 0.0)
    return scales if len(scales) == 2 else {}
