"""RosettaSciIO behind one function: any electron-microscopy file to calibrated, lazily read signals.

References
----------
.. [1] RosettaSciIO, https://hyperspy.org/rosettasciio (GPL-3.0-or-later).
"""

from __future__ import annotations

import importlib
import logging
import traceback
import warnings
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

# Extension -> RosettaSciIO package. Its own list misses some names of MRC files and lists formats without images.
PLUGINS = {
    "dm3": "digitalmicrograph", "dm4": "digitalmicrograph", "emd": "emd", "de5": "emd", "ser": "tia", "emi": "tia",
    "mrc": "mrc", "mrcs": "mrc", "rec": "mrc", "st": "mrc", "ali": "mrc", "map": "mrc", "preali": "mrc",
    "hspy": "hspy", "zspy": "zspy", "blo": "blockfile", "tvips": "tvips", "prz": "pantarhei", "unf": "semper",
    "mib": "quantumdetector", "rpl": "ripple", "bcf": "bruker", "nxs": "nexus", "app5": "topspin", "npy": "numpy",
    "elid": "phenom", "asw": "jeol", "hdf5": "hspy", "h5": "usid",
}  # fmt: skip
# Arrays up to this size are loaded at once: plain memory is faster than anything lazy, and errors show at once.
LOADED_BYTES = 1 << 28

_log = logging.getLogger(__name__)


def read_rosetta(path: Path) -> list[ImageSignal]:
    """Read all images of a file.

    Raises
    ------
    FileFormatError
        If the file is foreign, truncated, or holds no image.
    """
    plugin = PLUGINS[path.suffix.lower().lstrip(".")]
    raw = _read_raw(path, plugin)
    if plugin == "mrc":
        raw[0]["data"] = mrc.memory_map(path)
    signals: list[ImageSignal] = []
    left_out: list[str] = []
    for entry in raw:
        found, reason = _convert(entry, path)
        signals += found
        left_out += [reason] if reason else []
    if not signals:
        why = f"it holds only {'; '.join(left_out)}" if left_out else "there is no image in it"
        raise FileFormatError(f"{path} cannot be shown as an image: {why}")
    if left_out:
        note = f"left out: {'; '.join(left_out)}"
        signals = [_with_note(signal, note) for signal in signals]
    return signals


def _read_raw(path: Path, plugin: str) -> list[dict[str, Any]]:
    with quiet():
        try:
            module = importlib.import_module(f"rsciio.{plugin}")
            words = {"endianness": mrc.check_header(path).byte_order} if plugin == "mrc" else {}
            try:
                return list(module.file_reader(str(path), lazy=True, **words))
            except NotImplementedError:
                return list(module.file_reader(str(path), lazy=False, **words))
        except FileFormatError:
            raise
        except Exception as error:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
            raise damaged(path, plugin, error) from error


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
    data, axes = _images_last(raw["data"], list(raw["axes"]))
    title = str(raw.get("metadata", {}).get("General", {}).get("title") or path.stem)
    kinds = [canonical_unit(axis.get("units")) for axis in axes]
    if data.ndim < 2:
        return [], f"'{title}', a profile of {data.size} values"
    notes: list[str] = []
    if _is_spectral(axes[-1], kinds[-1]):
        if data.ndim < 3 or 1 in data.shape[:2]:
            return [], f"'{title}', a spectrum along {axes[-1].get('name') or 'one axis'}"
        notes.append(f"spectrum image: shown is the sum over {data.shape[-1]} channels of {axes[-1].get('name')}")
        data, axes = data.sum(axis=-1), axes[:-1]
    sized = zip(axes, data.shape, strict=True)
    calibrated = _named([_axis(axis, size, number, notes) for number, (axis, size) in enumerate(sized)])
    metadata = instrument(raw)
    made = [
        ImageSignal(part, tuple(calibrated), name, path, metadata=metadata, notes=tuple(notes))
        for part, name in _real_parts(data, title)
    ]
    return [_colours(_loaded(signal)) for signal in made], None


def _images_last(data: Any, axes: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
    """Array and axes with those that RosettaSciIO scans along in front and the image at the end."""
    if len(axes) != data.ndim:
        axes = [{} for _ in range(data.ndim)]
    order = sorted(range(len(axes)), key=lambda i: not axes[i].get("navigate", False))
    signal_axes = [axis for axis in axes if not axis.get("navigate", False)]
    if order != list(range(len(axes))) and signal_axes:
        data, axes = data.transpose(order), [axes[i] for i in order]
    return data, axes


def _is_spectral(axis: dict[str, Any], kind: tuple[str, float] | None) -> bool:
    name = str(axis.get("name") or "").lower()
    return (kind is not None and kind[0] == "eV") or any(word in name for word in ("energy", "wavelength", "channel"))


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
    usual = [*(f"axis {i}" for i in range(len(axes) - 3)), "z", "y", "x"][-len(axes) :]
    return [replace(axis, name=name or fallback) for axis, name, fallback in zip(axes, names, usual, strict=True)]


def _real_parts(data: Any, title: str) -> list[tuple[Any, str]]:
    """A complex image as amplitude and phase, which the viewer can show; others as they are."""
    if data.dtype.kind != "c":
        return [(data, title)]
    return [(abs(data), f"{title} amplitude"), (_phase(data), f"{title} phase")]


def _phase(data: Any) -> Any:
    import dask.array as da

    return da.angle(data) if hasattr(data, "dask") else np.angle(data)


def _loaded(signal: ImageSignal) -> ImageSignal:
    """Signal with its array in memory if that is small."""
    data = signal.data
    if not isinstance(data, np.ndarray) and data.nbytes <= LOADED_BYTES:
        with quiet():
            try:
                data = np.asarray(data)
            except Exception as error:  # noqa: BLE001 - see _read_raw
                raise damaged(signal.path, signal.path.suffix.lstrip("."), error) from error
    return replace(signal, data=data)


def _colours(signal: ImageSignal) -> ImageSignal:
    """Structured colours as a trailing axis."""
    if not signal.data.dtype.names:
        return signal
    data, _ = plain_colours(signal.data)
    return replace(signal, data=data, rgb=True)


def _with_note(signal: ImageSignal, note: str) -> ImageSignal:
    return replace(signal, notes=(*signal.notes, note))
