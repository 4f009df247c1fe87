"""npe2's hooks: what napari calls when it opens a file or saves a layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_visualccc.core.errors import CalibrationWarning
from napari_visualccc.core.pixel_size import Axis, read_scale
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io.folders import read_files
from napari_visualccc.io.readers import is_readable_folder, read, read_file
from napari_visualccc.io.rosetta import PLUGINS
from napari_visualccc.layers import METADATA_KEY, LayerData, signal_layer

# TIFF and pictures are left to napari: claiming them makes it ask which reader to use, every time.
_NOT_CLAIMED = {"npy", "hdf5", "h5", "map"}
EM_PATTERNS = tuple(
    f"*.{form(extension)}" for extension in PLUGINS if extension not in _NOT_CLAIMED for form in (str.lower, str.upper)
)

ReadLayers = Callable[[str | Sequence[str]], list[LayerData]]


def napari_get_reader(path: str | Sequence[str]) -> ReadLayers | None:
    """Reader for a file, a folder of images or several files (opened as a stack); None if it is not ours to read."""
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if len(paths) == 1 and paths[0].is_dir():
        return read_layers if is_readable_folder(paths[0]) else None
    wanted = {pattern.removeprefix("*") for pattern in EM_PATTERNS}
    if paths and all(one.suffix in wanted for one in paths):
        return read_layers
    return None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of a file, or of several files as one stack; notes on calibration become notifications."""
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if len(paths) == 1:
        signals = read(paths[0])
    else:
        signals = read_files(paths, read_file, f"{paths[0].stem} … {paths[-1].stem}", paths[0].parent)
    for note in dict.fromkeys(note for signal in signals for note in signal.notes):
        warnings.warn(f"{Path(signals[0].path).name}: {note}", CalibrationWarning, stacklevel=2)
    return [signal_layer(signal, number if len(signals) > 1 else None) for number, signal in enumerate(signals)]


def calibration_from_file(path: str | Path, shape: tuple[int, ...]) -> ImageSignal | None:
    """Signal of a file whose image has the shape of a layer: its axes calibrate a layer that napari opened itself.

    Parameters
    ----------
    path
        File that the layer came from.
    shape
        Shape of the layer without its colour axis.

    Returns
    -------
    ImageSignal or None
        None if no image of the file has that shape; axes of length 1 are passed over in comparing.
    """
    wanted = tuple(n for n in shape if n != 1)
    for signal in read(path):
        if tuple(axis.size for axis in signal.axes if axis.size != 1) == wanted:
            return signal
    return None


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save an image layer with its scale and units as OME-TIFF or OME-Zarr."""
    return _write(path, data, attributes, labels=False)


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a labels layer with its scale and units as OME-TIFF or OME-Zarr."""
    return _write(path, data, attributes, labels=True)


def _write(path: str, data: Any, attributes: dict[str, Any], *, labels: bool) -> list[str]:
    from napari_visualccc.io.ome_zarr import write_ome_zarr
    from napari_visualccc.io.writers import write_tiff

    if isinstance(data, list | tuple):  # multiscale: the finest level holds everything
        data = data[0]
    rgb = bool(attributes.get("rgb", False))
    axes = axes_of_layer(data.shape[:-1] if rgb else data.shape, attributes)
    record = attributes.get("metadata", {}).get(METADATA_KEY, {})
    write = write_ome_zarr if path.lower().endswith(".zarr") else write_tiff
    return [str(write(path, data, axes, labels=labels, rgb=rgb, metadata=record))]


def axes_of_layer(shape: tuple[int, ...], attributes: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Axes of an array of this shape from the scale, translate, units and axis labels of a napari layer.

    Of a layer with more axes than the array the last ones count.
    """
    count = len(shape)
    scale = tuple(attributes.get("scale") or (1.0,) * count)[-count:]
    translate = tuple(attributes.get("translate") or (0.0,) * count)[-count:]
    units = [str(unit) for unit in (attributes.get("units") or ("pixel",) * count)][-count:]
    labels = [str(label) for label in (attributes.get("axis_labels") or ())]
    usual = [*(f"axis {i}" for i in range(count - 3)), "z", "y", "x"][-count:]
    if len(labels) != count or any(label.removeprefix("axis ").startswith("-") for label in labels):
        labels = usual
    axes = []
    for name, size, step, origin, unit in zip(labels, shape, scale, translate, units, strict=True):
        value, offset, canonical, _ = read_scale(step, _short(unit), origin)
        axes.append(Axis(name, int(size), value, offset, canonical))
    return tuple(axes)


def _short(unit: str) -> str:
    """Pint writes ``1 / nanometer``; other long names are known to `read_scale`."""
    return unit.replace("second", "s").replace("electron_volt", "eV").replace("milliradian", "mrad")
