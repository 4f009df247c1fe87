"""Planes with classes to learn from: where each comes from, its class, its group and its split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.colours import label_colour
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.results import Colour
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.models.micrographs import Micrograph


@dataclass(frozen=True)
class Example:
    """One plane and its class.

    Attributes
    ----------
    image
        The image or stack that the plane belongs to.
    plane
        Its number in there.
    label
        Name of the class.
    group
        Specimen, series or file: planes of one group are alike for other reasons than their class, so they never lie
        on both sides of a split.
    split
        ``"train"``, ``"val"``, ``"test"`` or a name of one's own; empty if none was given.
    name
        File or layer, for messages and tables.
    pixel_size
        Of the image.
    """

    image: Planes
    plane: int
    label: str
    group: str
    split: str = ""
    name: str = "image"
    pixel_size: PixelSize = field(default_factory=PixelSize)

    @property
    def title(self) -> str:
        """Name of the plane for people."""
        return self.name if len(self.image) == 1 else f"{self.name}, plane {self.plane}"


@dataclass(frozen=True)
class Dataset:
    """Planes with classes.

    Attributes
    ----------
    examples
        The planes.
    classes
        In the order of the outputs of a model.
    notes
        What was left out and why, in words.
    """

    examples: tuple[Example, ...]
    classes: tuple[ClassInfo, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(one.name for one in self.classes)

    @property
    def targets(self) -> NDArray[np.int64]:
        """Position of each plane's class."""
        position = {name: number for number, name in enumerate(self.names)}
        return np.array([position[one.label] for one in self.examples], np.int64)

    @property
    def micrographs(self) -> list[Micrograph]:
        """The planes, to be looked at."""
        return [Micrograph(one.image, one.plane, one.pixel_size) for one in self.examples]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Number of each plane's group."""
        return numbered(one.group for one in self.examples)

    @property
    def splits(self) -> set[str]:
        """Names of the splits."""
        return {one.split for one in self.examples}

    def chosen(self, places: Iterable[int]) -> Dataset:
        """Dataset of some of the planes."""
        return replace(self, examples=tuple(self.examples[int(place)] for place in places))

    def split(self, name: str) -> Dataset:
        """Dataset of the planes of a split; may be empty."""
        return replace(self, examples=tuple(one for one in self.examples if one.split == name))

    def counts(self) -> dict[str, int]:
        """Planes of each class."""
        found = Counter(one.label for one in self.examples)
        return {name: found[name] for name in self.names}

    def with_classes(self, classes: Sequence[ClassInfo]) -> Dataset:
        """The same planes for a model that knows these classes.

        Raises
        ------
        InputError
            If a plane has a class that the model does not know.
        """
        known = [one.name for one in classes]
        strange = sorted({one.label for one in self.examples} - set(known))
        if strange:
            raise InputError(
                f"the model knows the classes {', '.join(known)}; the images are labelled {', '.join(strange)}, too: "
                "rename these classes or leave their images out"
            )
        return replace(self, classes=tuple(classes))


def dataset_of(
    examples: Iterable[Example],
    *,
    names: Sequence[str] = (),
    colours: Mapping[str, Colour] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Dataset of planes; classes in the order of `names`, then of the alphabet.

    Raises
    ------
    InputError
        If there is no plane.
    """
    examples = tuple(examples)
    if not examples:
        raise InputError("there is no labelled plane: give at least two of each of two classes")
    found = {one.label for one in examples}
    order = [*names, *sorted(found - set(names))]
    classes = tuple(
        ClassInfo(number, name, (colours or {}).get(name, label_colour(number)))
        for number, name in enumerate(order, start=1)
    )
    return Dataset(examples, classes, tuple(notes))


def examples_of_stack(
    data: Any,
    labels: Mapping[int, str],
    *,
    name: str = "image",
    pixel_size: PixelSize | None = None,
    rgb: bool | None = None,
    groups: Mapping[int, str] | None = None,
    splits: Mapping[int, str] | None = None,
) -> list[Example]:
    """Planes of a stack that have a class.

    Parameters
    ----------
    data
        Array of shape (…, Y, X), or planes.
    labels
        Class of each labelled plane by its number.
    name
        Layer or file.
    groups
        Group of planes by their number; by default each plane is a group of its own, as planes of a layer are separate
        micrographs more often than not.
    splits
        Split of planes by their number.

    Raises
    ------
    InputError
        If a plane is labelled that is not there.
    """
    planes = as_planes(data, rgb=rgb, name=name)
    wrong = [number for number in labels if not 0 <= number < len(planes)]
    if wrong:
        raise InputError(f"{name} holds the planes 0 … {len(planes) - 1}; a label was given for {wrong[0]}")
    return [
        Example(
            planes, number, str(label), (groups or {}).get(number, f"{name}#{number}"), (splits or {}).get(number, ""),
            name, pixel_size or PixelSize(),
        )
        for number, label in sorted(labels.items())
    ]  # fmt: skip


def numbered(names: Iterable[str]) -> NDArray[np.int64]:
    """Numbers in place of names, in the order in which they first occur."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], np.int64)


def expect_learnable(dataset: Dataset) -> None:
    """Raise `InputError` if the planes do not teach at least two classes."""
    counts = dataset.counts()
    present = {name: count for name, count in counts.items() if count}
    if len(present) < 2:
        only = next(iter(present), "none")
        raise InputError(f"at least two classes are needed to tell apart; there is only {only!r}: label more planes")
    few = [name for name, count in counts.items() if count < 2]
    if few:
        raise InputError(
            f"the class {few[0]!r} has {counts[few[0]]} plane(s) to learn from: label at least two of each"
        )
