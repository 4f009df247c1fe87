"""RosettaSciIO behind one function: any electron-microscopy file to calibrated, lazily read signals.

References
----------
.. [1] RosettaSciIO, https://hyperspy.org/rosettasciio (GPL-3.0-or-later).
"""

from __future__ import annotations

import importlib
import logging
import struct
import traceback
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis, canonical_unit, read_scale
from napari_visualccc.core.planes import plain_colours
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io import mrc
from napari_visualccc.io.metadata import instrument
from napari_visualccc.io.tia import read_tia

# Extension -> RosettaSciIO package. Its own list misses some names of MRC files and lists formats without images.
PLUGINS = {
    "dm3": "digitalmicrograph", "dm4": "digitalmicrograph", "emd": "emd", "de5": "emd", "ser": "tia", "emi": "tia",
    "mrc": "mrc", "mrcs": "mrc", "rec": "mrc", "st": "mrc", "ali": "mrc", "map": "mrc", "preali": "mrc",
    "hspy": "hspy", "zspy": "zspy", "blo": "blockfile", "tvips": "tvips", "prz": "pantarhei", "unf": "semper",
    "mib": "quantumdetector", "rpl": "ripple", "bcf": "bruker", "nxs": "nexus", "app5": "topspin", "npy": "numpy",
    "elid": "phenom", "asw": "jeol", "hdf5": "hspy", "h5": "hspy",
}  # fmt: skip
# Many programs write HDF5 files of their own layout under these extensions: each is tried.
_HDF5 = {"hdf5", "h5"}
_HDF5_PLUGINS = ("hspy", "emd", "delmic", "arina", "usid")
# Formats whose pixels lie in the file as they are: an image cannot be larger than its file.
_UNCOMPRESSED = {"digitalmicrograph", "tia", "blockfile", "semper", "numpy", "quantumdetector"}
_BLOCKFILE_FRAME_HEADER = 6
# Arrays up to this size are loaded at once: plain memory is faster than anything lazy, and errors show at once.
LOADED_BYTES = 1 << 28

_log = logging.getLogger(__name__)


def read_rosetta(path: Path, *, load: int | None = None) -> list[ImageSignal]:
    """Read all images of a file.

    Parameters
    ----------
    path
        File with an extension of `PLUGINS`.
    load
        Arrays of up to so many bytes are loaded at once, larger ones stay lazy; `LOADED_BYTES` by default.

    Raises
    ------
    FileFormatError
        If the file is foreign, truncated, or holds no image.
    """
    limit = LOADED_BYTES if load is None else load
    plugin, raw, left_out = _read_raw(path)
    signals: list[ImageSignal] = []
    for entry in raw:
        _check_size(entry["data"], path, plugin)
        found, reason = _convert(entry, path)
        signals += [_colours(loaded(signal, limit)) for signal in found]
        left_out += [reason] if reason else []
    if not signals:
        why = f"it holds only {'; '.join(left_out)}" if left_out else "there is no image in it"
        raise FileFormatError(f"{path} cannot be shown as an image: {why}")
    if left_out:
        note = f"left out: {'; '.join(left_out)}"
        signals = [_with_note(signal, note) for signal in signals]
    return signals


def _read_raw(path: Path) -> tuple[str, list[dict[str, Any]], list[str]]:
    """Which reader could read the file, its entries, and what it had to leave out."""
    extension = path.suffix.lower().lstrip(".")
    if extension in _HDF5:
        return _read_hdf5(path)
    plugin = PLUGINS[extension]
    with quiet():
        try:
            return plugin, *_entries(path, plugin)
        except FileFormatError:
            raise
        except ModuleNotFoundError as error:
            raise FileFormatError(f"{path} needs the Python package '{error.name}' to be read: {error}") from error
        except Exception as error:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
            raise damaged(path, plugin, error) from error


def _read_hdf5(path: Path) -> tuple[str, list[dict[str, Any]], list[str]]:
    with quiet():
        for plugin in _HDF5_PLUGINS:
            try:
                entries, left_out = _entries(path, plugin)
            except Exception as error:  # noqa: BLE001 - the next one may know it
                traceback.clear_frames(error.__traceback__)
                continue
            if entries:
                return plugin, entries, left_out
    known = "HyperSpy, EMD, Delmic, Arina, USID"
    raise FileFormatError(f"{path} is damaged or an HDF5 file of a layout that is not read here (known are: {known})")


def _entries(path: Path, plugin: str) -> tuple[list[dict[str, Any]], list[str]]:
    if plugin == "tia":
        return read_tia(path)
    if plugin == "mrc":
        return [mrc.read_mrc(path)], []
    if plugin == "pantarhei":
        return _read_panta_rhei(path)
    if plugin == "blockfile":
        _check_blockfile(path)
    read = importlib.import_module(f"rsciio.{plugin}").file_reader
    try:
        return list(read(str(path), lazy=True)), []
    except NotImplementedError:
        return list(read(str(path), lazy=False)), []
    except ModuleNotFoundError as error:
        if plugin != "emd":
            raise
        # The spectrum stream of Velox needs a package that we do not ask for; the images beside it do not.
        traceback.clear_frames(error.__traceback__)
        return list(read(str(path), lazy=True, select_type="images")), ["a spectrum image"]


def _read_panta_rhei(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Panta Rhei's archive; RosettaSciIO maps its pixels as if they were never compressed, which gives noise."""
    from rsciio.pantarhei import file_reader

    with zipfile.ZipFile(path) as archive:
        stored = archive.getinfo("data.npy").compress_type == zipfile.ZIP_STORED
        readable = "meta_data_json.npy" in archive.namelist()
    left_out = [] if readable else ["its pixel size and settings, kept as a pickle, which could run foreign code"]
    return list(file_reader(str(path), lazy=stored)), left_out


def _check_blockfile(path: Path) -> None:
    """RosettaSciIO plans for minutes how to read the frames that a damaged header promises."""
    with path.open("rb") as file:
        offset, _, edge, _, nx, ny = struct.unpack("<IIHHHH", file.read(28)[12:])
    needed = offset + nx * ny * (edge**2 + _BLOCKFILE_FRAME_HEADER)
    if needed > path.stat().st_size:
        raise FileFormatError(
            f"{path} is cut short or damaged: {ny} × {nx} patterns of {edge} × {edge} pixels need {needed} bytes, "
            f"it has {path.stat().st_size}"
        )


def _check_size(data: Any, path: Path, plugin: str) -> None:
    """A damaged header may promise more pixels than the file has bytes: nothing of that size is to be made."""
    if plugin in _UNCOMPRESSED and path.suffix.lower() != ".emi" and data.nbytes > 2 * path.stat().st_size:
        shape = " × ".join(str(n) for n in data.shape)
        raise FileFormatError(
            f"{path} is cut short or damaged: {shape} pixels need {data.nbytes} bytes, it has {path.stat().st_size}"
        )


def damaged(path: Path, kind: str, error: BaseException) -> FileFormatError:
    """One clear sentence for whatever a foreign reader stumbled over.

    The frames of the reader are cleared: they may hold the file open.
    """
    _log.debug("%s", path, exc_info=error)
    traceback.clear_frames(error.__traceback__)
    cause = " ".join(str(error).split()) or type(error).__name__
    words = f"{path} cannot be read as a {kind} file: it is damaged, cut short or of another kind"
    return FileFormatError(f"{words} ({cause[:200]})")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the reader's own warnings and log lines from the user; what matters becomes a note or an error."""
    log = logging.getLogger("rsciio")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _convert(raw: dict[str, Any], path: Path) -> tuple[list[ImageSignal], str | None]:
    """Signals of one RosettaSciIO entry, or the reason why it is no image."""
    title = str(raw.get("metadata", {}).get("General", {}).get("title") or path.stem)
    notes: list[str] = []
    data, axes = _images_last(*_fitting(raw["data"], list(raw["axes"]), notes))
    if data.dtype.kind not in "buifc" and not data.dtype.names:
        return [], f"'{title}', values of type {data.dtype}"
    if data.size == 0:
        return [], f"'{title}', an array without values"
    if data.ndim < 2:
        return [], f"'{title}', a profile of {data.size} values"
    if _is_spectral(axes):
        name = axes[-1].get("name") or "one axis"
        if data.ndim < 3 or 1 in data.shape[:2]:
            return [], f"'{title}', a spectrum along {name}"
        notes.append(f"spectrum image: shown is the sum over {data.shape[-1]} channels of {name}")
        data, axes = data.sum(axis=-1), axes[:-1]
    sized = zip(axes, data.shape, strict=True)
    calibrated = _named([_axis(axis, size, number, notes) for number, (axis, size) in enumerate(sized)])
    rgb = path.suffix.lower() == ".npy" and data.dtype == np.uint8 and data.ndim > 2 and data.shape[-1] in (3, 4)
    if rgb:
        calibrated = _named([replace(axis, name="") for axis in calibrated[:-1]])
    made = ImageSignal(data, tuple(calibrated), title, path, rgb=rgb, metadata=instrument(raw), notes=tuple(notes))
    return real_parts(made), None


def _fitting(data: Any, axes: list[dict[str, Any]], notes: list[str]) -> tuple[Any, list[dict[str, Any]]]:
    """Array with one axis for each of its dimensions: readers drop those of length 1 from the one or the other."""
    if len(axes) == data.ndim:
        return data, axes
    longer = [axis for axis in axes if axis.get("size") != 1]
    if [axis.get("size") for axis in longer] == [n for n in data.shape if n != 1]:
        return data.squeeze(), longer
    notes.append(f"its {len(axes)} axes do not fit its {data.ndim} dimensions; shown in pixels")
    return data, [{} for _ in range(data.ndim)]


def _images_last(data: Any, axes: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
    """Array and axes with those that RosettaSciIO scans along in front and the image at the end."""
    order = sorted(range(len(axes)), key=lambda i: not axes[i].get("navigate", False))
    signal_axes = [axis for axis in axes if not axis.get("navigate", False)]
    if order != list(range(len(axes))) and signal_axes:
        data, axes = data.transpose(order), [axes[i] for i in order]
    return data, axes


def _is_spectral(axes: list[dict[str, Any]]) -> bool:
    """True if each value of the last axis is a channel, not a place."""
    kind = canonical_unit(axes[-1].get("units"))
    name = str(axes[-1].get("name") or "").lower()
    if (kind is not None and kind[0] == "eV") or any(word in name for word in ("energy", "wavelength", "channel")):
        return True
    # Scanned over two axes or more with one left: that one is a spectrum, whatever its unit.
    return len(axes) > 2 and [bool(axis.get("navigate")) for axis in axes] == [True] * (len(axes) - 1) + [False]


def _axis(raw: dict[str, Any], size: int, number: int, notes: list[str]) -> Axis:
    scale, offset = raw.get("scale", 1.0), raw.get("offset", 0.0)
    if raw.get("axis") is not None and "scale" not in raw:
        places = np.asarray(raw["axis"], float)
        scale, offset = (float(np.diff(places).mean()) if places.size > 1 else 1.0), float(places[0])
        notes.append(f"axis {raw.get('name') or number} is not evenly spaced; its mean step is used")
    value, shift, unit, note = read_scale(scale, raw.get("units"), offset)
    if note:
        notes.append(f"axis {raw.get('name') or number}: {note}; shown in pixels")
    return Axis(str(raw.get("name") or ""), int(size), value, shift, unit)


_USUAL_NAMES = {"height": "y", "width": "x", "<undefined>": "", "none": ""}


def _named(axes: list[Axis]) -> list[Axis]:
    """Axes with the names that are missing: y and x at the end, z or numbers before."""
    names = [_USUAL_NAMES.get(axis.name.lower(), axis.name) for axis in axes]
    if [name.lower() for name in names[-2:]] in (["x", "y"], ["y", "x"]):  # Semper's come the other way round
        names[-2:] = "y", "x"
    usual = [*(f"axis {i}" for i in range(len(axes) - 3)), "z", "y", "x"][-len(axes) :]
    return [replace(axis, name=name or fallback) for axis, name, fallback in zip(axes, names, usual, strict=True)]


def real_parts(signal: ImageSignal) -> list[ImageSignal]:
    """A complex image as amplitude and phase, which the viewer can show; others as they are."""
    if signal.data.dtype.kind != "c":
        return [signal]
    return [
        replace(signal, data=abs(signal.data), name=f"{signal.name} amplitude"),
        replace(signal, data=_phase(signal.data), name=f"{signal.name} phase"),
    ]


def _phase(data: Any) -> Any:
    import dask.array as da

    return da.angle(data) if hasattr(data, "dask") else np.angle(data)


def loaded(signal: ImageSignal, limit: int) -> ImageSignal:
    """Signal with its array in memory if that has up to `limit` bytes; memory maps stay maps."""
    data = signal.data
    if not isinstance(data, np.ndarray) and data.nbytes <= limit:
        with quiet():
            try:
                data = np.asarray(data)
            except Exception as error:  # noqa: BLE001 - see _read_raw
                raise damaged(signal.path, signal.path.suffix.lstrip("."), error) from error
        if data.shape != signal.data.shape:
            raise FileFormatError(
                f"{signal.path} is damaged: it says {signal.data.shape} pixels and gives {data.shape}"
            )
    return replace(signal, data=data)


def _colours(signal: ImageSignal) -> ImageSignal:
    """Structured colours as a trailing axis."""
    if not signal.data.dtype.names:
        return signal
    data, _ = plain_colours(signal.data)
    return replace(signal, data=data, rgb=True)


def _with_note(signal: ImageSignal, note: str) -> ImageSignal:
    return replace(signal, notes=(*signal.notes, note))
