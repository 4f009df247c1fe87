"""Micrographs from files, one at a time: what a map wants to know of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import FileFormatError, InputError
from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.results import fingerprint
from napari_visualccc.models.micrographs import Micrograph
from napari_visualccc.processing.text import marks_of

if TYPE_CHECKING:
    from napari_visualccc.core.progress import Progress
    from napari_visualccc.models.nn.embedding import Embedder

THUMBNAIL = 80
# Of larger planes thumbnail and brightness are taken from every n-th pixel.
_LOOKED_AT = 1 << 21
_DISPLAY_PERCENTILES = (1, 99)


@dataclass(frozen=True)
class Stack:
    """Planes that are in memory or in a layer, to be mapped like files.

    Attributes
    ----------
    planes, pixel_size
        What is shown.
    names
        Of the planes.
    paths
        Files that they came from, empty texts if unknown.
    title
        Of the whole, for records.
    """

    planes: Planes
    pixel_size: PixelSize
    names: tuple[str, ...]
    paths: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Seen:
    """What is kept of a micrograph besides its vector."""

    record: dict[str, Any]
    thumbnail: NDArray[np.uint8]


def image_files(path: Path, *, deep: bool = False) -> list[Path]:
    """Image files of a folder in natural order; those of the folders in it if it holds none itself, or if `deep`.

    A folder that holds none but has one called ``images`` stands for that: masks often lie beside it.

    Raises
    ------
    FileFormatError
        If there is no such path, or no image in it.
    """
    from napari_visualccc.io.folders import natural
    from napari_visualccc.io.readers import images_among

    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileFormatError(f"{path} does not exist")

    def images(entries: Iterator[Path]) -> list[Path]:
        found = (entry for entry in images_among(entries) if entry.is_file())
        return sorted(found, key=lambda file: (str(file.parent), natural(file)))

    found = [] if deep else images(path.iterdir())
    if not found and not deep and (path / "images").is_dir():
        found = images((path / "images").iterdir())
    found = found or images(path.rglob("*"))
    if not found and not deep:
        raise FileFormatError(f"{path} holds no image of a format that is read here")
    return found


def micrographs_of_stack(
    stack: Stack, seen: list[Seen], problems: list[str], known: set[str] | None = None, *, marks: bool = True
) -> Iterator[Micrograph]:
    """As `micrographs_of`, for planes at hand."""
    planes = stack.planes
    numbers: dict[str, int] = {}
    for index in range(len(planes)):
        path = stack.paths[index]
        # A file of its own for each plane: then this is its first.
        number = numbers[path] = numbers.get(path, -1) + 1
        try:
            found = describe(planes, index, path, stack.names[index], number if path else index, stack.pixel_size)
        except (InputError, FileFormatError, OSError, ValueError) as error:
            problems.append(f"{stack.names[index]}: {error}")
            continue
        if known is None or found.record["hash"] not in known:
            seen.append(found)
            yield Micrograph(planes, index, stack.pixel_size, marks_of if marks else None)


def plane_hashes(file: Path) -> list[str]:
    """Hashes of all planes of a file; none if it cannot be read."""
    from napari_visualccc.io import read

    try:
        return [fingerprint(signal.planes.only(i)) for signal in read(file) for i in range(len(signal.planes))]
    except (FileFormatError, InputError, OSError):
        return []


def micrographs_of(
    files: Sequence[Path], seen: list[Seen], problems: list[str], known: set[str] | None = None, *, marks: bool = True
) -> Iterator[Micrograph]:
    """Give the planes of files one after another and note what is known of each.

    Parameters
    ----------
    files
        Files that cannot be read are noted in `problems` and passed over.
    seen
        Gets an entry for each plane that is given.
    known
        Hashes of planes that are passed over.
    marks
        Mask what was written into the pictures.
    """
    from napari_visualccc.io import read

    for file in files:
        try:
            signals = [(signal, signal.planes) for signal in read(file)]
        except (FileFormatError, InputError) as error:
            problems.append(str(error))
            continue
        many = sum(len(planes) for _, planes in signals) > 1
        number = 0
        for signal, planes in signals:
            for index in range(len(planes)):
                name = f"{file.stem} [{number}]" if many else file.stem
                try:
                    found = describe(planes, index, str(file.resolve()), name, number, signal.pixel_size)
                except (InputError, FileFormatError, OSError, ValueError) as error:
                    problems.append(f"{file}: {error}")
                    continue
                finally:
                    number += 1
                if known is not None and found.record["hash"] in known:
                    continue
                seen.append(found)
                yield Micrograph(planes, index, signal.pixel_size, marks_of if marks else None)


def describe(planes: Planes, index: int, path: str, name: str, number: int, size: PixelSize) -> Seen:
    """What is kept of a plane.

    Raises
    ------
    InputError
        If no pixel is finite.
    """
    step = max(1, int(np.ceil(np.sqrt(planes.plane_pixels / _LOOKED_AT))))
    values = planes.plane(index, (slice(None, None, step), slice(None, None, step)))
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InputError(f"{name} has no finite pixel")
    low, high = np.percentile(finite, _DISPLAY_PERCENTILES)
    record = {
        "path": path, "plane": number, "name": name, "hash": fingerprint(planes.only(index)), "duplicate_of": "",
        "height": planes.plane_shape[0], "width": planes.plane_shape[1],
        "pixel_nm": size.edge if size.unit == NANOMETRE else float("nan"),
        "brightness": float(finite.mean(dtype=np.float64)), "contrast": float(finite.std(dtype=np.float64)),
    }  # fmt: skip
    return Seen(record, thumbnail(values, float(low), float(high)))


def thumbnail(values: NDArray[np.float32], low: float, high: float, side: int = THUMBNAIL) -> NDArray[np.uint8]:
    """Small grey picture of shape (side, side); the plane keeps its aspect, what is left over is black."""
    height, width = values.shape
    scale = side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    filled = np.nan_to_num(values, nan=low)
    small = _means(_means(filled, rows, 0), columns, 1)
    grey = ((small - low) / (high - low if high > low else 1.0) * 254 + 1).clip(1, 255).astype(np.uint8)
    out = np.zeros((side, side), np.uint8)
    top, left = (side - rows) // 2, (side - columns) // 2
    out[top : top + rows, left : left + columns] = grey
    return out


def _means(values: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """Means of `count` equal parts along an axis; nearest values if there are fewer."""
    length = values.shape[axis]
    edges = np.arange(count + 1) * length // count
    if count >= length:
        return np.asarray(np.take(values, edges[:-1], axis))
    sums = np.add.reduceat(values, edges[:-1], axis)
    shape = [1, 1]
    shape[axis] = -1
    return np.asarray(sums / np.diff(edges).reshape(shape), np.float32)


def vector_of(
    file: Path, plane: int, embedder: Embedder, marks: bool = True, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Vector of one plane of a file, whether it is on a map or not.

    Raises
    ------
    FileFormatError, OptionError
        If it cannot be read, or there is no such plane.
    """
    from napari_visualccc.io import read

    signal = read(file)[0]
    item = Micrograph(signal.planes.only(plane), 0, signal.pixel_size, marks_of if marks else None)
    return next(embedder.stream([item], 1, progress=progress))
