"""A folder of images as one lazy stack, in natural order, file names kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.signals import ImageSignal

Reader = Callable[[Path], list[ImageSignal]]


def natural(path: Path) -> list[object]:
    """Sort key that puts a2 before a10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def read_files(paths: Iterable[Path], read: Reader, title: str, folder: Path) -> list[ImageSignal]:
    """Stack the images of several files; images that do not fit together give several stacks.

    Every file is opened once to learn its shape, and again when its plane is looked at, so that a folder of any
    size needs no memory. Files that cannot be read are named in the notes.

    Raises
    ------
    FileFormatError
        If no file holds an image.
    """
    groups: dict[object, list[tuple[Path, int, ImageSignal]]] = {}
    problems: list[str] = []
    for path in paths:
        try:
            found = read(path)
        except FileFormatError as error:
            problems.append(str(error))
            continue
        for number, signal in enumerate(found):
            key = (signal.data.shape, str(signal.data.dtype), signal.rgb, signal.pixel_size)
            groups.setdefault(key, []).append((path, number, _without_pixels(signal)))
    if not groups:
        why = problems[0] if problems else "it holds no file of a format that is read here"
        raise FileFormatError(f"{folder} cannot be opened as a stack: {why}")
    notes = tuple(f"left out: {problem}" for problem in problems)
    return [_stack(members, read, title, folder, notes, len(groups)) for members in groups.values()]


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
    groups: int,
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
    name = title if groups == 1 else f"{title} {first.axes[-2].size} × {first.axes[-1].size}"
    return replace(
        first,
        data=da.stack(planes),
        axes=(Axis("image", len(members)), *first.axes),
        name=name,
        path=folder,
        metadata=first.metadata,
        notes=(*notes, *dict.fromkeys(note for _, _, signal in members for note in signal.notes)),
        plane_names=tuple(path.name for path, _, _ in members),
    )
