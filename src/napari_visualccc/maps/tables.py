"""Measured properties from a table, joined to micrographs by file name or id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.core.errors import FileFormatError, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

# Columns that name micrographs, the first that is there counts.
KEYS = ("path", "id", "file", "filename", "name", "image")
# Columns that say which micrographs belong together.
GROUPS = ("group", "specimen", "sample", "doi")


@dataclass(frozen=True)
class Joined:
    """A table brought into the order of the micrographs.

    Attributes
    ----------
    table
        One row per micrograph, empty where the table has none.
    unmatched_rows
        Keys of rows that belong to no micrograph.
    unmatched_images
        Names of micrographs without a row.
    repeated
        Keys that stand in several rows, of which the first was taken.
    """

    table: pd.DataFrame
    unmatched_rows: list[str]
    unmatched_images: list[str]
    repeated: list[str]


def read_table(path: Path) -> pd.DataFrame:
    """Read CSV (comma, semicolon or tab) or XLSX.

    Raises
    ------
    FileFormatError
        If it cannot be read.
    """
    import pandas as pd

    try:
        if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
            return pd.read_excel(path)
        for encoding in ("utf-8-sig", "latin-1"):
            try:
                return pd.read_csv(path, sep=None, engine="python", encoding=encoding)
            except UnicodeDecodeError:
                continue
    except ImportError as error:
        raise FileFormatError(f"{path} needs the package openpyxl: pip install openpyxl, or save it as CSV") from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise FileFormatError(f"{path} cannot be read as a table: {reason}") from error
    except Exception as error:
        raise FileFormatError(f"{path} is damaged or not a table: {error}") from error
    raise FileFormatError(f"{path} cannot be read as a table")


def join(table: pd.DataFrame, paths: Sequence[str], planes: Sequence[int], name: str = "the table") -> Joined:
    """Bring rows into the order of micrographs.

    Parameters
    ----------
    table
        Has a column of `KEYS`; a column ``plane``, if there is one, tells the planes of a stack apart.
    paths, planes
        Of the micrographs. A row belongs to a micrograph if its key ends in the same parts of the path, with or
        without the extension; file name or stem alone do if they are not ambiguous.

    Raises
    ------
    InputError
        If the table has no such column, or no row belongs to any micrograph.
    """
    lower = {str(column).strip().lower(): column for column in table.columns}
    key = next((lower[name] for name in KEYS if name in lower), None)
    if key is None:
        raise InputError(f"{name} has no column that names the micrographs: call it one of {', '.join(KEYS)}")
    plane_column = lower.get("plane")
    lookup: dict[str, list[int]] = {}
    for row, text in enumerate(table[key]):
        lookup.setdefault(_normal(text), []).append(row)
    chosen = np.full(len(paths), -1)
    for number, (path, plane) in enumerate(zip(paths, planes, strict=True)):
        rows = _rows_of(path, lookup)
        if plane_column is not None:
            rows = [row for row in rows if table[plane_column].iloc[row] == plane]
        if rows:
            chosen[number] = rows[0]
    if len(paths) and (chosen < 0).all():
        raise InputError(
            f"no row of {name} belongs to a micrograph: its column '{key}' holds {table[key].iloc[0]!r} …, "
            f"the micrographs are called {Path(paths[0]).name} …"
            if len(table) else f"{name} has no rows"
        )  # fmt: skip
    matched = set(chosen[chosen >= 0].tolist())
    names = [_normal(text) for text in table[key]]
    repeated = sorted({str(table[key].iloc[rows[0]]) for rows in lookup.values() if len(rows) > 1}) * (
        plane_column is None
    )
    unmatched = [str(table[key].iloc[row]) for row in range(len(table)) if row not in matched
                 and not (names.index(names[row]) in matched and plane_column is None)]  # fmt: skip
    ordered = table.reindex(np.where(chosen < 0, len(table) + 1, chosen)) if len(table) else table
    ordered = table.reset_index(drop=True).reindex(np.where(chosen < 0, -1, chosen)).reset_index(drop=True)
    ordered = ordered.drop(columns=[key])
    ordered.columns = [str(column).strip() for column in ordered.columns]
    missing = [Path(path).name for path, row in zip(paths, chosen, strict=True) if row < 0]
    return Joined(ordered, unmatched, missing, repeated)


def _normal(text: Any) -> str:
    if isinstance(text, float) and text.is_integer():
        text = int(text)
    return str(text).strip().replace("\\", "/").removeprefix("./")


def _rows_of(path: str, lookup: dict[str, list[int]]) -> list[int]:
    """Rows of a path: by its longest ending that the table knows."""
    whole = PurePosixPath(_normal(path))
    parts = whole.parts
    for start in range(len(parts)):
        ending = PurePosixPath(*parts[start:])
        for candidate in (str(ending), str(ending.with_suffix(""))):
            if candidate in lookup:
                return lookup[candidate]
    # The table may say more of the path than we know: data/images/a.jpg for images/a.jpg.
    for text, rows in lookup.items():
        if PurePosixPath(text).name in (whole.name, whole.stem):
            return rows
    return []


def numbers_of(table: pd.DataFrame, column: str) -> tuple[NDArray[np.float64], list[str]]:
    """A column as numbers, NaN where it holds none, and the texts that are no numbers.

    Raises
    ------
    OptionError
        If there is no such column, or it holds hardly any numbers.
    """
    import pandas as pd

    if column not in table.columns:
        known = ", ".join(map(str, table.columns)) or "none: build the map with --table"
        raise OptionError(f"there is no column {column!r}; there are: {known}")
    values = table[column]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan).copy()
    numbers[~np.isfinite(numbers)] = np.nan
    strange = sorted({str(text) for text in values[np.isnan(numbers) & values.notna().to_numpy()]})
    if np.isnan(numbers).all():
        said = f": it holds {', '.join(strange[:3])} …" if strange else ": it is empty"
        raise OptionError(f"column {column!r} has no numbers in it{said}")
    return numbers, strange


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """Columns that hold numbers, mostly."""
    import pandas as pd

    found = []
    for column in table.columns:
        filled = table[column].notna()
        if filled.any() and pd.to_numeric(table[column][filled], errors="coerce").notna().mean() > 0.5:
            found.append(str(column))
    return found
