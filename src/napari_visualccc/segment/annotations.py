"""Images with labels to learn from: dense masks or sparse strokes, of any size, type, contrast and pixel size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.colours import label_colour
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.results import Colour
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.segment.class_names import expect_named, named_values
from napari_visualccc.segment.measure_options import NO_DATA

# More values than this are instances, not phases.
MOST_CLASSES = 64


@dataclass(frozen=True)
class Annotated:
    """An image (or stack) with labels.

    Attributes
    ----------
    image
        The micrographs.
    labels
        Label values, of the same shape; see `Dataset.values` and `Dataset.ignore`.
    pixel_size
        Of the image.
    name
        File or layer, for messages and records.
    """

    image: Planes
    labels: Planes
    pixel_size: PixelSize = field(default_factory=PixelSize)
    name: str = "image"

    def __post_init__(self) -> None:
        if self.image.shape != self.labels.shape:
            raise InputError(
                f"{self.name}: the image has shape {self.image.shape} (planes, y, x), its labels {self.labels.shape}"
            )
        if not self.labels.is_integer:
            raise InputError(f"{self.name}: labels must be whole numbers, not {self.labels.dtype}")


def annotated(
    image: Any, labels: Any, *, pixel_size: PixelSize | None = None, name: str = "image", rgb: bool | None = None
) -> Annotated:
    """Image and labels from arrays of shape (Y, X) or (…, Y, X).

    Labels that are one plane saved as RGB (as some programs do) are taken as grey.

    Raises
    ------
    InputError
        If the shapes differ or the labels are not whole numbers.
    """
    return Annotated(
        as_planes(image, rgb=rgb, name=name),
        as_planes(labels, name=f"labels of {name}"),
        pixel_size or PixelSize(),
        name,
    )


def with_offset(item: Annotated, offset: int, ignore: int | None = None) -> Annotated:
    """The same image, a number added to all its labels.

    Parameters
    ----------
    item
        Image with labels.
    offset
        What to add.
    ignore
        Value of pixels without a label, as it is before: they, and those of -1, are -1 then.

    Raises
    ------
    InputError
        If a label becomes negative.
    """
    if not offset:
        return item
    values = np.stack([item.labels.read(index) for index in range(len(item.labels))]).astype(np.int64)
    counts = (values != NO_DATA) if ignore is None else (values != NO_DATA) & (values != ignore)
    values = np.where(counts, values + offset, NO_DATA)
    lowest = int(values.min(where=counts, initial=0))
    if lowest < 0:
        raise InputError(f"{item.name} has the label {lowest - offset}, which {offset} makes negative")
    return replace(item, labels=Planes(values.reshape(item.labels.shape), rgb=False, name=item.labels.name))


@dataclass(frozen=True)
class Dataset:
    """Annotated images and what their label values mean.

    Attributes
    ----------
    items
        The images.
    classes
        Phases in the order of the network's outputs.
    ignore
        Values of pixels without a label, beside -1, which never is one.
    binary
        Every value above 0 is the second class (outlines of particles, masks of 0 and 255).

    Raises
    ------
    InputError
        If two classes have the same name.
    """

    items: tuple[Annotated, ...]
    classes: tuple[ClassInfo, ...]
    ignore: tuple[int, ...] = ()
    binary: bool = False

    def __post_init__(self) -> None:
        names = [one.name for one in self.classes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"two phases have the name {twice[0]!r}: give each a name of its own")

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each class."""
        return tuple(one.value for one in self.classes)

    @property
    def unlabelled(self) -> tuple[int, ...]:
        """Positions of classes that no label can show, as their value is ignored."""
        if self.binary:
            return (0,) if 0 in self.ignore else ()  # of the values above 0 only one can be ignored
        return tuple(position for position, value in enumerate(self.values) if value in self.ignore)

    @property
    def planes(self) -> Iterator[tuple[Annotated, int]]:
        """All planes, as (item, index)."""
        return ((item, index) for item in self.items for index in range(len(item.image)))

    def targets(self, item: Annotated, index: int) -> NDArray[np.uint8]:
        """Class position of each pixel of a plane, `UNLABELLED` where there is none; shape (Y, X).

        Raises
        ------
        InputError
            If the plane holds a value that is neither a class nor ignored.
        """
        every = item.labels.read(index)
        result = np.full(every.shape, UNLABELLED, np.uint8)
        rows = _rows_with_labels(every, self.ignore)
        raw = every[rows]
        skipped = {NO_DATA, *self.ignore}
        wanted = {int(value): self._position(int(value), item) for value in _unique(raw) if int(value) not in skipped}
        if not wanted:
            return result  # before the image is read: of a long stack only a few planes are painted
        if raw.dtype == np.uint8:
            table = np.full(256, UNLABELLED, np.uint8)
            table[list(wanted)] = list(wanted.values())
            result[rows] = table[raw]
        else:
            part = result[rows]
            for value, position in wanted.items():
                part[raw == value] = position
            result[rows] = part
        if not item.image.is_integer:
            # Values that no detector measured teach nothing.
            result[~np.isfinite(item.image.plane(index))] = UNLABELLED
        return result

    def _position(self, value: int, item: Annotated) -> int:
        if self.binary and value >= 0:
            return int(value > 0)
        if value not in self.values:
            known = ", ".join(f"{one.value} ({one.name})" for one in self.classes)
            raise InputError(f"{item.name} has the label {value}; known are {known}. Add a class or ignore it")
        return self.values.index(value)

    def with_items(self, items: Iterable[Annotated]) -> Dataset:
        """The same classes for other images."""
        return replace(self, items=tuple(items))


def dataset_of_masks(
    items: Sequence[Annotated],
    *,
    names: Sequence[str] | Mapping[int, str] = (),
    ignore: int | None = None,
    binary: bool = False,
) -> Dataset:
    """Dataset of masks whose values are classes (0 counts, -1 never does).

    Parameters
    ----------
    items
        At least one.
    names
        Of the classes; made up if empty. As many as there are values: of these, in their order. More: of the values
        from 0 on, some of which these masks may lack, but not 0; that of the ignored value names no class. Or by value.
    ignore
        Value of pixels without a label.
    binary
        Take every value above 0 as one class, and 0 as the other.

    Raises
    ------
    InputError
        If there are fewer than two classes, more than `MOST_CLASSES`, or a negative one.
    OptionError
        If the names do not fit the values.
    """
    if not items:
        raise InputError("there is no image with labels to learn from")
    skipped = () if ignore is None else (int(ignore),)
    # Above 0 all values are one class: to ignore one of them ignores a particle.
    found = ([1] if ignore == 0 else [0, 1]) if binary else _values_of(items, skipped)
    named = _named_values(found, names, ignore, binary)
    if len(named) < 2:
        raise InputError(f"the labels hold only the value {next(iter(named), ignore)}: paint at least two phases")
    lowest = min(named)
    classes = tuple(ClassInfo(value, name, _colour(value, lowest)) for value, name in named.items())
    return Dataset(tuple(items), classes, skipped, binary)


def dataset_of_strokes(
    items: Sequence[Annotated],
    *,
    names: Mapping[int, str] | None = None,
    colours: Mapping[int, Colour] | None = None,
    ignore: int | None = None,
) -> Dataset:
    """Dataset of painted labels: 0 is not painted, nor is -1 or the value to `ignore`; 1, 2, … are phases.

    Raises
    ------
    InputError
        If fewer than two phases are painted, or a label is negative.
    """
    skipped = (0,) if ignore in (None, 0) else (0, int(ignore))
    painted = _values_of(items, skipped)
    if len(painted) < 2:
        seen = f"only phase {painted[0]}" if painted else "nothing"
        raise InputError(f"{seen} is painted so far: paint a little of each of at least two phases")
    names, colours = names or {}, colours or {}
    classes = tuple(
        ClassInfo(value, names.get(value) or f"phase {value}", colours.get(value) or label_colour(value))
        for value in painted
    )
    return Dataset(tuple(items), classes, skipped)


def _rows_with_labels(labels: NDArray[Any], ignore: Sequence[int]) -> NDArray[np.intp] | slice:
    """Rows that hold anything but ignored values (a few, of strokes); all if that would not be quicker to know."""
    if len(ignore) != 1:
        return slice(None)
    return np.flatnonzero((labels != ignore[0]).any(axis=1))


def _unique(labels: NDArray[Any]) -> NDArray[Any]:
    """Values that occur; for bytes by counting, which is much faster than sorting."""
    if labels.dtype == np.uint8:
        return np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    return np.unique(labels)


def label_values(labels: Planes) -> set[int]:
    """Values that labels hold; not all of them if there are far more than classes may be."""
    found: set[int] = set()
    for index in range(len(labels)):
        found |= {int(value) for value in _unique(labels.read(index))}
        if len(found) > 4 * MOST_CLASSES:
            break
    return found


def _values_of(items: Sequence[Annotated], skipped: Sequence[int]) -> list[int]:
    """Values that labels hold, ascending, without those that say nothing."""
    found = sorted(set().union(*(label_values(item.labels) for item in items)) - {NO_DATA, *skipped})
    if found and found[0] < 0:
        raise InputError(
            f"the labels hold the negative value {found[0]}: number the phases from 0; only -1 may be there, for "
            "pixels without a label"
        )
    return found


def _named_values(
    found: list[int], names: Sequence[str] | Mapping[int, str], ignore: int | None, complete: bool
) -> dict[int, str]:
    """Label values of the classes and their names, see `dataset_of_masks`; `complete` if there can be no others."""
    if len(found) > MOST_CLASSES:
        raise InputError(
            f"the labels hold more than {MOST_CLASSES} values: these look like numbered objects, not phases. "
            "Say --binary to learn object against background"
        )
    if not names:
        return {value: f"class {value}" for value in found}
    if isinstance(names, Mapping):
        expect_named(found, names)
        named = {value: names[value] for value in sorted(names) if value in found or not complete}
    else:
        named = named_values(found, names, ignore=ignore, complete=complete)
    return {value: name for value, name in named.items() if value != ignore}


def _colour(value: int, lowest: int) -> Colour:
    """Grey for the background (value 0), the palette for everything else."""
    return (0.6, 0.6, 0.6, 1.0) if value == 0 == lowest else label_colour(max(value, 1))
