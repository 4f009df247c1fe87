"""Labelled images on disk: a folder per class, or a table of paths and classes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_visualccc.classify.dataset import Dataset, Example, dataset_of
from napari_visualccc.classify.options import SPLIT_NAMES
from napari_visualccc.core.errors import FileFormatError, InputError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.io.folders import natural
from napari_visualccc.io.readers import image_files, read

_MOST_NAMED = 3


@dataclass(frozen=True)
class _Row:
    path: Path
    label: str
    group: str
    split: str
    plane: int | None


def read_dataset(path: str | Path, *, progress: Progress | None = None) -> Dataset:
    """Read labelled images.

    Parameters
    ----------
    path
        Folder with a folder per class (which may lie in folders ``train``, ``val`` and ``test``), or a CSV file with
        the columns ``path,label[,group][,split][,plane]``. Paths are absolute or relative to the CSV; rows without a
        label are left out; of a stack each plane is an example, unless ``plane`` names one (from 0). Without ``group``
        each file is a group of its own.

    Raises
    ------
    FileFormatError
        If there is no such path, a file cannot be read, or the table lacks a column.
    InputError
        If no image has a label.
    """
    path = Path(path)
    notes: list[str] = []
    if path.is_dir():
        rows = list(_rows_of_folder(path))
        if not rows:
            raise FileFormatError(
                f"{path} holds no folder with images: put the images of each class into a folder with its name, or "
                "give a CSV file with the columns path,label"
            )
    elif path.is_file():
        rows, notes = _rows_of_table(path)
    else:
        raise FileFormatError(f"{path} cannot be opened: there is no such file or folder")
    examples: list[Example] = []
    for row in silent(progress).steps(rows, message="reading images"):
        examples += _examples(row)
    if not examples:
        raise InputError(f"{path}: no image has a label")
    return dataset_of(examples, notes=notes)


def _rows_of_folder(folder: Path) -> Iterator[_Row]:
    parts = _folders(folder)
    if parts and all(part.name.lower() in SPLIT_NAMES for part in parts):
        for part in parts:
            yield from _rows_of_classes(part, SPLIT_NAMES[part.name.lower()])
    else:
        yield from _rows_of_classes(folder, "")


def _rows_of_classes(folder: Path, split: str) -> Iterator[_Row]:
    for part in _folders(folder):
        for path in image_files(part):
            yield _Row(path, part.name, str(path), split, None)


def _folders(folder: Path) -> list[Path]:
    return [
        entry for entry in sorted(folder.iterdir(), key=natural)
        if entry.is_dir() and entry.suffix != ".zarr" and not entry.name.startswith(".")
    ]  # fmt: skip


def _rows_of_table(path: Path) -> tuple[list[_Row], list[str]]:
    """Rows with a label, and a note on those without."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:4096], ",;\t")
    except csv.Error:
        dialect = "excel"
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read as a table: {error}") from error
    records = list(csv.DictReader(text.splitlines(), dialect=dialect))
    columns = [name.strip().lower() for name in (records[0] if records else {}) if name]
    missing = [name for name in ("path", "label") if name not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        raise FileFormatError(f"{path} lacks the column(s) {' and '.join(missing)}: it has {found}")
    rows: list[_Row] = []
    left_out = 0
    for record in records:
        clean = {str(key).strip().lower(): str(value or "").strip() for key, value in record.items()}
        if not clean["label"]:
            left_out += 1
            continue
        rows.append(_row(clean, path))
    _expect_files([row.path for row in rows], path)
    return rows, [f"{left_out} rows without a label were left out"] if left_out else []


def _row(record: dict[str, str], table: Path) -> _Row:
    path = Path(record["path"])
    path = path if path.is_absolute() else table.parent / path
    plane = record.get("plane", "")
    try:
        number = int(float(plane)) if plane else None
    except ValueError as error:
        raise FileFormatError(f"{table}: {plane!r} in the column plane is not a whole number") from error
    split = record.get("split", "")
    return _Row(path, record["label"], record.get("group") or str(path), SPLIT_NAMES.get(split.lower(), split), number)


def _expect_files(paths: Sequence[Path], table: Path) -> None:
    missing = [path for path in dict.fromkeys(paths) if not path.exists()]
    if missing:
        names = ", ".join(str(path) for path in missing[:_MOST_NAMED])
        raise FileFormatError(f"{table} names {len(missing)} file(s) that are not there: {names}")


def _examples(row: _Row) -> list[Example]:
    signal = read(row.path)[0]
    planes = signal.planes
    if row.plane is not None and not 0 <= row.plane < len(planes):
        raise InputError(f"{row.path} holds the planes 0 … {len(planes) - 1}; the table names plane {row.plane}")
    chosen = range(len(planes)) if row.plane is None else (row.plane,)
    return [
        Example(planes, number, row.label, row.group, row.split, str(row.path), signal.pixel_size) for number in chosen
    ]
