"""Instrument settings in plain words, from the nested records of RosettaSciIO."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# Units in which RosettaSciIO keeps these settings (its metadata structure, HyperSpy's user guide).
_UNITS = {
    "beam_energy": "kv",
    "beam_current": "na",
    "camera_length": "mm",
    "working_distance": "mm",
    "convergence_angle": "mrad",
    "collection_angle": "mrad",
    "exposure": "s",
    "dwell_time": "s",
    "acquisition_time": "s",
    "frame_time": "s",
    "integration_time": "s",
    "tilt_alpha": "deg",
    "tilt_beta": "deg",
    "rotation": "deg",
    "probe_area": "nm2",
    "cryo_stage_temperature": "k",
}
_GENERAL = ("title", "date", "time", "time_zone", "notes", "authors", "doi")
_INSTRUMENT_LEVELS = {"acquisition_instrument", "tem", "sem", "stem"}


def instrument(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the microscope, flat, with units in their names, in plain JSON types.

    Parameters
    ----------
    raw
        A RosettaSciIO signal: its ``metadata``, completed from ``original_metadata`` through ``mapping``.

    Examples
    --------
    >>> tem = {"TEM": {"beam_energy": 300.0, "Stage": {"tilt_alpha": 1.5}}}
    >>> instrument({"metadata": {"Acquisition_instrument": tem}})
    {'beam_energy_kv': 300.0, 'stage_tilt_alpha_deg': 1.5}
    """
    record = _mapped(raw)
    general = record.get("General", {})
    found = {"file": plain(general["original_filename"])} if general.get("original_filename") else {}
    found |= {key: plain(general[key]) for key in _GENERAL if general.get(key) not in (None, "")}
    for path, value in _leaves(record.get("Acquisition_instrument", {})):
        words = [_snake(word) for word in path if _snake(word) not in _INSTRUMENT_LEVELS]
        unit = _UNITS.get(words[-1])
        name = "_".join(words) + (f"_{unit}" if unit else "")
        setting = _number(plain(value)) if unit else plain(value)
        if setting not in (None, ""):
            found[name] = setting
    return found


def _number(value: Any) -> Any:
    """Text that is a number, as some files keep it, as a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _mapped(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with the entries that RosettaSciIO says where to find, but leaves to its callers to fetch."""
    record = copy.deepcopy(dict(raw.get("metadata", {})))
    for source, (target, convert) in (raw.get("mapping") or {}).items():
        value = _look_up(raw.get("original_metadata", {}), source.split("."))
        if value is None or not target:
            continue
        try:
            value = convert(value) if convert else value
        except Exception:  # noqa: BLE001, S112 - a setting that cannot be understood is left out
            continue
        place = record
        *levels, name = target.split(".")
        for level in levels:
            place = place.setdefault(level, {})
        if isinstance(place, dict):
            place.setdefault(name, value)
    return record


def _look_up(tree: Any, path: list[str]) -> Any:
    """Entry of a nested record; RosettaSciIO names it with underscores where the file has blanks."""
    for step in path:
        if not isinstance(tree, Mapping):
            return None
        tree = next(
            (value for key, value in tree.items() if str(key).replace(" ", "_") == step.replace(" ", "_")), None
        )
    return tree


def _leaves(record: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(record, Mapping):
        for key, value in record.items():
            yield from _leaves(value, (*path, str(key)))
    elif path:
        yield path, record


def _snake(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()).strip("_")


def plain(value: Any) -> Any:
    """Value as JSON has it; None for what JSON cannot hold or nobody reads (arrays, bytes)."""
    if isinstance(value, np.ndarray) and value.size <= 16:
        value = value.tolist()
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple) and len(value) <= 16:
        return [plain(entry) for entry in value]
    return None
