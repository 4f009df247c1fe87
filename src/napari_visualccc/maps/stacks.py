"""Micrographs of different sizes as one stack to leaf through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.signals import ImageSignal


def one_stack(signals: Sequence[ImageSignal], title: str) -> list[ImageSignal]:
    """Join stacks of grey micrographs with the same pixel size; smaller ones get a black margin right and below.

    Parameters
    ----------
    signals
        Stacks as a folder gives them: one for each shape.
    title
        Name of the joined stack.

    Returns
    -------
    list of ImageSignal
        One for each pixel size, and those that cannot be joined (colours, stacks within files).
    """
    groups: dict[object, list[ImageSignal]] = {}
    for number, signal in enumerate(signals):
        plain = not signal.rgb and len(signal.axes) == 3
        size = signal.pixel_size
        key = (f"{size.y:.5g}", f"{size.x:.5g}", size.unit) if plain else number
        groups.setdefault(key, []).append(signal)
    joined = [_joined(group, title) if len(group) > 1 else group[0] for group in groups.values()]
    return [replace(one, name=title if len(joined) == 1 else f"{title} ({n + 1})") for n, one in enumerate(joined)]


def _joined(group: list[ImageSignal], title: str) -> ImageSignal:
    import dask.array as da

    height = max(signal.data.shape[-2] for signal in group)
    width = max(signal.data.shape[-1] for signal in group)
    parts: list[Any] = []
    names: list[str] = []
    for signal in group:
        missing = height - signal.data.shape[-2], width - signal.data.shape[-1]
        data = da.asarray(signal.data)
        parts.append(da.pad(data, ((0, 0), (0, missing[0]), (0, missing[1]))) if any(missing) else data)
        names += signal.plane_names
    first = group[0]
    y, x = (replace(axis, size=size) for axis, size in zip(first.axes[-2:], (height, width), strict=True))
    # A chunk is a plane, whatever the margins were made of.
    data = da.concatenate(parts).rechunk((1, height, width))
    return replace(first, data=data, axes=(Axis("image", len(names)), y, x), name=title, plane_names=tuple(names))
