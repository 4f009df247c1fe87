"""OME-Zarr 0.5 written and read with plain zarr: chunked, plane by plane, axes with units.

References
----------
.. [1] Moore et al., "OME-Zarr: a cloud-optimized bioimaging file format", Histochem. Cell Biol. 160 (2023) 223,
   doi 10.1007/s00418-023-02209-1; specification https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.pixel_size import Axis, read_scale
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.metadata import plain
from napari_visualccc.io.rosetta import real_parts
from napari_visualccc.io.writers import Calibration, axes_for

_VERSION = "0.5"
_CHUNK = 1024
_LONG_UNITS = {"nm": "nanometer", "s": "second"}
_TYPES = {"nm": "space", "s": "time"}


def write_ome_zarr(
    path: str | Path,
    data: Any,
    calibration: Calibration,
    *,
    labels: bool = False,
    rgb: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write an image or labels as OME-Zarr with its pixel size; parameters as in `write_tiff`.

    Notes
    -----
    Labels are an image of their own with ``image-label`` metadata. Units that the specification does not know
    (1/nm) are kept under ``visualccc`` and left out of ``axes``.
    """
    path = Path(path)
    axes = axes_for(data, calibration, rgb=rgb)
    if rgb:
        data = np.moveaxis(data, -1, 0)
    with atomic(path) as temporary:
        array = create_array(temporary, data.shape, data.dtype)
        for place in np.ndindex(data.shape[:-2]):
            array[place] = np.asarray(data[place])
        describe(temporary, axes, labels=labels, rgb=rgb, metadata=metadata)
    return path


def create_array(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Array to be filled, (…, Y, X), in a new folder that `describe` makes an OME-Zarr."""
    import zarr

    group = zarr.open_group(str(folder), mode="w", zarr_format=3)
    chunks = (*(1,) * (len(shape) - 2), *(min(_CHUNK, n) for n in shape[-2:]))
    dtype = np.dtype(np.uint8) if np.dtype(dtype).kind == "b" else np.dtype(dtype).newbyteorder("=")
    return group.create_array("0", shape=shape, dtype=dtype, chunks=chunks)


def describe(
    folder: Path,
    axes: tuple[Axis, ...],
    *,
    labels: bool = False,
    rgb: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Say what the array of a folder is: axes with units, and the record."""
    import zarr

    colour = [{"name": "c", "type": "channel"}] if rgb else []
    scales = [1.0] * rgb + [axis.scale for axis in axes]
    offsets = [0.0] * rgb + [axis.offset for axis in axes]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scales}]
    if any(offsets):
        transformations.append({"type": "translation", "translation": offsets})
    ome: dict[str, Any] = {
        "version": _VERSION,
        "multiscales": [
            {
                "name": folder.name.removesuffix(".zarr").removesuffix(".ome"),
                "axes": colour + [_axis(axis, axes) for axis in axes],
                "datasets": [{"path": "0", "coordinateTransformations": transformations}],
            }
        ],
    }
    if labels:
        ome["image-label"] = {"version": _VERSION}
    kept = [{"name": axis.name, "unit": axis.unit} for axis in axes]
    record = {"axes": kept, "rgb": rgb, "labels": labels, **dict(metadata or {})}
    zarr.open_group(str(folder), mode="r+").attrs.update({"ome": ome, "visualccc": plain_record(record)})


def plain_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Record in JSON types, lists of any length kept."""
    return {
        key: [plain_record(one) if isinstance(one, Mapping) else plain(one) for one in value]
        if isinstance(value, list | tuple)
        else plain_record(value)
        if isinstance(value, Mapping)
        else plain(value)
        for key, value in record.items()
    }


def _axis(axis: Axis, axes: tuple[Axis, ...]) -> dict[str, str]:
    kind = _TYPES.get(axis.unit, "space" if axis in axes[-2:] or axis.name == "z" else "other")
    made = {"name": axis.name, "type": kind}
    if axis.unit in _LONG_UNITS:
        made["unit"] = _LONG_UNITS[axis.unit]
    return made


def read_ome_zarr(path: Path) -> list[ImageSignal]:
    """Read the full-resolution images of an OME-Zarr folder, version 0.4 or 0.5, or a plain Zarr array, lazily.

    Raises
    ------
    FileFormatError
        If it is neither.
    """
    import zarr

    try:
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return _plain_array(path, node)
        attributes = dict(node.attrs)
        multiscales = attributes.get("ome", attributes).get("multiscales", ())
        signals = [_image(path, node, multiscale, attributes.get("visualccc", {})) for multiscale in multiscales]
    except Exception as error:  # noqa: BLE001 - a damaged store may fail anywhere in zarr
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileFormatError(f"{path} cannot be read as OME-Zarr: {cause}") from error
    if not signals:
        raise FileFormatError(f"{path} cannot be read as OME-Zarr: its attributes name no multiscale image")
    return [part for signal in signals for part in real_parts(signal)]


def _plain_array(path: Path, array: Any) -> list[ImageSignal]:
    import dask.array as da

    if array.ndim < 2:
        raise FileFormatError(f"{path} cannot be shown as an image: its shape is {array.shape}")
    names = [*(f"axis {i}" for i in range(array.ndim - 3)), "z", "y", "x"][-array.ndim :]
    signal = ImageSignal(da.from_zarr(array), tuple(map(Axis, names, array.shape)), path.stem, path)
    return real_parts(signal)


def _image(path: Path, group: Any, multiscale: Mapping[str, Any], record: Mapping[str, Any]) -> ImageSignal:
    import dask.array as da

    dataset = multiscale["datasets"][0]
    data = da.from_zarr(group[dataset["path"]])
    scale, offset = [1.0] * data.ndim, [0.0] * data.ndim
    transformations = (*dataset.get("coordinateTransformations", ()), *multiscale.get("coordinateTransformations", ()))
    for step in transformations:  # first the level's own, then those of all levels
        if step["type"] == "scale":
            scale = [a * b for a, b in zip(scale, step["scale"], strict=True)]
            offset = [a * b for a, b in zip(offset, step["scale"], strict=True)]
        elif step["type"] == "translation":
            offset = [a + b for a, b in zip(offset, step["translation"], strict=True)]
    raw = [dict(axis) if isinstance(axis, Mapping) else {"name": axis} for axis in multiscale["axes"]]
    rgb = bool(record.get("rgb", False))
    if rgb:
        data, raw, scale, offset = da.moveaxis(data, 0, -1), raw[1:], scale[1:], offset[1:]
    for axis, kept in zip(raw, record.get("axes", ()), strict=False):
        axis["unit"] = kept["unit"]
    notes = []
    axes = []
    for axis, size, step, origin in zip(raw, data.shape, scale, offset, strict=False):
        value, shift, unit, note = read_scale(step, axis.get("unit"), origin)
        if note:
            notes.append(f"axis {axis['name']}: {note}; shown in pixels")
        axes.append(Axis(str(axis["name"]), int(size), value, shift, unit))
    name = path.name.removesuffix(".zarr").removesuffix(".ome")
    instrument = dict(record.get("instrument") or {})
    return ImageSignal(data, tuple(axes), name, path, rgb=rgb, metadata=instrument, notes=tuple(notes))
