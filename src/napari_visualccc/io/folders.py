"""A folder of images as one lazy stack, in natural order, file names kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.core.signals import ImageSignal

# Folders whose files are larger together are only asked for shapes and types when they are opened.
READ_WHOLE_BYTES = 1 << 28


class Reader(Protocol):
    """Reads the images of a file, arrays of up to `load` bytes at once."""

    def __call__(self, path: Path, *, load: int | None = None) -> list[ImageSignal]:
        """Images of the file at `path`."""
        ...


def natural(path: Path) -> list[object]:
    """Sort key that puts a2 before a10."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", path.name)]


def read_files(paths: Iterable[Path], read: Reader, title: str, folder: Path) -> list[ImageSignal]:
    """Stack the images of several files; images that do not fit together give several stacks.

    Every file is opened once to learn its shape, and again when its plane is looked at, so that a folder of any
    size needs no memory. Files that cannot be read are named in the notes.

    Parameters
    ----------
    paths
        Files in the order of the planes.
    read
        Reader of one file.
    title
        Name of the stack; those of several are told apart by shape and number.
    folder
        Folder they lie in.

    Raises
    ------
    FileFormatError
        If no file holds an image.
    """
    groups: dict[object, list[tuple[Path, int, ImageSignal]]] = {}
    problems: list[str] = []
    paths = list(paths)
    load = None if sum(_size(path) for path in paths) <= READ_WHOLE_BYTES else 0
    for path in paths:
        try:
            found = read(path, load=load)
        except (FileFormatError, OSError) as error:
            problems.append(str(error))
            continue
        for number, signal in enumerate(found):
            key = (signal.data.shape, str(signal.data.dtype), signal.rgb, _rounded(signal.pixel_size))
            groups.setdefault(key, []).append((path, number, _without_pixels(signal)))
    if not groups:
        why = problems[0] if problems else "it holds no file of a format that is read here"
        raise FileFormatError(f"{folder} cannot be opened as a stack: {why}")
    notes = tuple(f"left out: {problem}" for problem in problems)
    titles = _titles(title, [members[0][2] for members in groups.values()])
    return [_stack(members, read, name, folder, notes) for members, name in zip(groups.values(), titles, strict=True)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _rounded(size: PixelSize) -> tuple[str, str, str]:
    """Pixel size to five digits: the same magnification is written with rounding errors."""
    return f"{size.y:.5g}", f"{size.x:.5g}", size.unit


def _titles(title: str, firsts: list[ImageSignal]) -> list[str]:
    if len(firsts) == 1:
        return [title]
    names = [f"{title} {first.axes[-2].size} × {first.axes[-1].size}" for first in firsts]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _without_pixels(signal: ImageSignal) -> ImageSignal:
    """Signal whose array is a broadcast zero: its shape and type without its memory."""
    import numpy as np

    return replace(signal, data=np.broadcast_to(np.zeros((), signal.data.dtype), signal.data.shape))


def _stack(
    members: list[tuple[Path, int, ImageSignal]],
    read: Reader,
    title: str,
    folder: Path,
    notes: tuple[str, ...],
) -> ImageSignal:
    import dask
    import dask.array as da
    import numpy as np

    first = members[0][2]

    def load(path: Path, number: int) -> object:
        return np.asarray(read(path)[number].data)

    planes = [
        da.from_delayed(dask.delayed(load)(path, number), first.data.shape, first.data.dtype)
        for path, number, _ in members
    ]
    return replace(
        first,
        data=da.stack(planes),
        axes=(Axis("image", len(members)), *first.axes),
        name=title,
        path=folder,
        metadata=first.metadata,
        notes=(*notes, *dict.fromkeys(note for _, _, signal in members for note in signal.notes)),
        plane_names=tuple(path.name for path, _, _ in members),
    )
