"""Painted strokes on disk, so that an afternoon of painting survives a crash."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.folders import data_folder


@dataclass(frozen=True)
class Strokes:
    """Painted pixels of an image or stack.

    Attributes
    ----------
    labels
        0 not painted, 1, 2, … phases; uint8, shape of the image without colours.
    names
        Name of each phase.
    """

    labels: NDArray[np.uint8]
    names: Mapping[int, str]


def strokes_folder() -> Path:
    """Folder that strokes are kept in by themselves."""
    return data_folder() / "strokes"


def autosave_path(image_hash: str) -> Path:
    """File for the strokes on the image of that fingerprint."""
    return strokes_folder() / (image_hash.replace(":", "-") + ".npz")


def save_strokes(path: str | Path, strokes: Strokes) -> dict[int, int]:
    """Write strokes; only painted pixels take room.

    Returns
    -------
    dict
        Painted pixels of each phase.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    flat = np.asarray(strokes.labels).reshape(-1)
    places = np.flatnonzero(flat)
    values = flat[places]
    about = json.dumps({str(value): name for value, name in strokes.names.items()})
    with atomic(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, places=places, values=values, shape=np.array(strokes.labels.shape), names=np.array(about)
        )
    counts = np.bincount(values, minlength=1)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def load_strokes(path: str | Path, shape: tuple[int, ...]) -> Strokes:
    """Read strokes that were kept.

    Raises
    ------
    FileFormatError
        If the file is damaged or belongs to an image of another shape.
    """
    path = Path(path)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            content: dict[str, Any] = {name: file[name] for name in ("places", "values", "shape", "names")}
        names = {int(value): str(name) for value, name in json.loads(str(content["names"])).items()}
        if tuple(content["shape"].tolist()) != tuple(shape):
            raise FileFormatError(f"{path} holds strokes for an image of shape {tuple(content['shape'].tolist())}")
        labels = np.zeros(shape, np.uint8)
        labels.reshape(-1)[content["places"]] = content["values"]
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileFormatError(f"{path} cannot be read as kept strokes: {error}") from error
    return Strokes(labels, names)


def renumbered(strokes: Strokes, names: Mapping[int, str]) -> Strokes:
    """Same strokes, numbered as these names are; phases that are painted but not among them come after them.

    Returns
    -------
    Strokes
        Its names are the given ones and those that were added.

    Examples
    --------
    >>> strokes = Strokes(np.array([[1, 2, 0]], np.uint8), {1: "pore", 2: "metal"})
    >>> new = renumbered(strokes, {1: "metal", 2: "oxide"})
    >>> new.labels.tolist(), new.names
    ([[3, 1, 0]], {1: 'metal', 2: 'oxide', 3: 'pore'})
    """
    numbers = {name: number for number, name in names.items()}
    table = np.zeros(256, np.uint8)
    for value in np.flatnonzero(np.bincount(strokes.labels[strokes.labels != 0], minlength=1)).tolist():
        name = strokes.names.get(value, f"phase {value}")
        table[value] = numbers.setdefault(name, max(numbers.values(), default=0) + 1)
    return Strokes(table[strokes.labels], {number: name for name, number in numbers.items()})
