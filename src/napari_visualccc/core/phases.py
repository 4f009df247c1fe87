"""The table of candidate phases: those built in, and those of a user's file.

A CSV table has the columns ``name, a_nm, b_nm, c_nm, alpha_deg, beta_deg, gamma_deg, space_group, source``; empty b and
c are a, empty angles 90°, an empty space group P 1. A JSON table is a list of such records and may give ``atoms``,
``[element, x, y, z]`` of the whole cell, from which the strength of each reflection follows.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from napari_visualccc.core.absences import is_absent
from napari_visualccc.core.crystals import ATOMIC_NUMBER, Crystal
from napari_visualccc.core.errors import FileFormatError, OptionError
from napari_visualccc.core.files import atomic

COLUMNS = ("name", "a_nm", "b_nm", "c_nm", "alpha_deg", "beta_deg", "gamma_deg", "space_group", "source")
# Cells of crystals lie between these edges; others are in ångström or micrometres.
_EDGES_NM = (0.1, 20.0)


@cache
def built_in_phases() -> tuple[Crystal, ...]:
    """Phases that come with the package, with atoms and sources."""
    text = files("napari_visualccc.core").joinpath("phases.json").read_text(encoding="utf-8")
    return tuple(crystal_of(record) for record in json.loads(text))


def crystal_of(record: Mapping[str, Any]) -> Crystal:
    """Crystal of one row of a table.

    Raises
    ------
    OptionError
        If the row describes no cell; the words say which entry is wrong.
    """
    name = str(record.get("name") or "").strip()
    if not name:
        raise OptionError("a phase needs a name")
    a = _number(record, "a_nm", None, name)
    lengths = (a, _number(record, "b_nm", a, name), _number(record, "c_nm", a, name))
    angles = tuple(_number(record, f"{angle}_deg", 90.0, name) for angle in ("alpha", "beta", "gamma"))
    if not all(_EDGES_NM[0] <= edge <= _EDGES_NM[1] for edge in lengths):
        shown = ", ".join(f"{edge:g}" for edge in lengths)
        raise OptionError(f"{name}: cell edges must lie between 0.1 and 20 nm, not {shown} (are they in ångström?)")
    cosines = [math.cos(math.radians(angle)) for angle in angles]
    volume = 1 + 2 * math.prod(cosines) - sum(cosine**2 for cosine in cosines)
    if not all(20 <= angle <= 160 for angle in angles) or volume <= 0:
        raise OptionError(f"{name}: angles {', '.join(f'{angle:g}' for angle in angles)}° span no cell")
    space_group = str(record.get("space_group") or "P 1").strip()
    try:
        is_absent(space_group, (1, 0, 0))
    except ValueError as error:
        raise OptionError(f"{name}: {error}") from error
    atoms = tuple((str(element), float(x), float(y), float(z)) for element, x, y, z in record.get("atoms") or ())
    unknown = {atom[0] for atom in atoms} - set(ATOMIC_NUMBER)
    if unknown:
        raise OptionError(f"{name}: there is no element {', '.join(sorted(unknown))}")
    source = str(record.get("source") or "")
    return Crystal(name, lengths, (angles[0], angles[1], angles[2]), space_group, atoms, source)


def _number(record: Mapping[str, Any], key: str, default: float | None, name: str) -> float:
    value = record.get(key)
    if value is None or str(value).strip() in ("", "nan"):
        if default is None:
            raise OptionError(f"{name}: {key} is missing")
        return default
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name}: {key} must be a number, not {value!r}") from error


def record_of(crystal: Crystal) -> dict[str, Any]:
    """Row of the table for a crystal."""
    a, b, c = crystal.lengths_nm
    alpha, beta, gamma = crystal.angles_deg
    values = (crystal.name, a, b, c, alpha, beta, gamma, crystal.space_group, crystal.source)
    return dict(zip(COLUMNS, values, strict=True))


def read_phases(path: str | Path) -> tuple[Crystal, ...]:
    """Phases of a CSV or JSON table.

    Raises
    ------
    FileFormatError
        If the file is no such table, in words that name the row.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".json":
            records = json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                records = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise FileFormatError(f"{path} cannot be read as a table of phases: {error}") from error
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        raise FileFormatError(f"{path} holds no phases: expected the columns {', '.join(COLUMNS)}")
    try:
        return tuple(crystal_of(record) for record in records)
    except (OptionError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: {error}") from error


def write_phases(path: str | Path, crystals: Iterable[Crystal]) -> Path:
    """Write phases as CSV, or as JSON with their atoms if the name ends so."""
    path = Path(path)
    with atomic(path) as temporary:
        if path.suffix.lower() == ".json":
            records = [record_of(crystal) | {"atoms": [list(atom) for atom in crystal.atoms]} for crystal in crystals]
            temporary.write_text(json.dumps(records, indent=1, ensure_ascii=False), encoding="utf-8")
        else:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(record_of(crystal) for crystal in crystals)
    return path


def choose_phases(names: Sequence[str], table: Sequence[Crystal] | None = None) -> tuple[Crystal, ...]:
    """Phases of the table by name; all if no name is given.

    Raises
    ------
    OptionError
        If the table has no such phase.
    """
    table = built_in_phases() if table is None else table
    if not names:
        return tuple(table)
    by_name = {crystal.name.lower(): crystal for crystal in table}
    missing = [name for name in names if name.lower() not in by_name]
    if missing:
        known = ", ".join(crystal.name for crystal in table)
        raise OptionError(f"there is no phase {', '.join(missing)} in the table; it has {known}")
    return tuple(by_name[name.lower()] for name in names)
