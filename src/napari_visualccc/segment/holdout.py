"""What is kept aside to measure quality: whole images, or blocks of the area when there are only a few."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.runtime import random_generator
from napari_visualccc.core.scores import UNLABELLED

if TYPE_CHECKING:
    from napari_visualccc.models.nn.patches import LabelledPlane

# With fewer images than this a whole one is too much to give away.
FEWEST_IMAGES = 4
# Blocks per side into which images are cut.
_BLOCKS = 6
# Parts of planes that are looked at in between are about so large along each edge (px).
_PART_EDGE = 256


@dataclass(frozen=True)
class Split:
    """Labels of each plane to learn from and to measure on.

    Attributes
    ----------
    training, validation
        Per plane, class positions with `UNLABELLED` where a pixel belongs to the other side; None for a plane that
        is not used at all.
    kind
        In words: ``"whole images"``, ``"blocks"`` or ``"none"``.
    """

    training: tuple[NDArray[np.uint8] | None, ...]
    validation: tuple[NDArray[np.uint8] | None, ...]
    kind: str


def split_targets(
    targets: list[NDArray[np.uint8]],
    classes: int,
    share: float,
    seed: int,
    stacks: Sequence[int | None] | None = None,
    *,
    most: float = 0.5,
) -> Split:
    """Keep about `share` of the labels aside.

    Parameters
    ----------
    targets
        Class positions of each plane, `UNLABELLED` where there is none.
    classes
        Number of classes.
    share
        0 keeps nothing aside.
    seed
        Of the choice.
    stacks
        Number of the image that each plane is of; None for one by itself, as all are if nothing is given.
    most
        Where blocks are kept aside, no class loses a larger share of its pixels to them, whatever `share` is.

    Notes
    -----
    Planes of a stack follow one another and are alike: they are kept aside together, all of them or the same block of
    each. Where whole images are, no class loses more than half of its pixels to validation: a choice that would do so
    is not taken, and if none is left, blocks are.
    """
    if share <= 0:
        return Split(tuple(targets), (None,) * len(targets), "none")
    rng = random_generator(seed, 2)
    images = _images(stacks or [None] * len(targets))
    whole = _by_image(targets, images, classes, share, rng) if len(images) >= FEWEST_IMAGES else None
    if whole is not None:
        return whole
    # A block may hold much of a class: about twice its share may go, of a class of a few blocks a little more.
    limit = min(max(2 * share, 0.3), most)
    return _by_block(targets, images, classes, share, limit, rng)


def held_out_hash(planes: Sequence[LabelledPlane]) -> str:
    """Hash that recognises what is measured on by all its grey values and labels; empty if that is nothing."""
    digest = hashlib.blake2b(digest_size=16)
    for plane in planes:
        digest.update(repr(plane.image.shape).encode())
        for array in (plane.image, plane.labels):
            digest.update(array.tobytes())
    return f"blake2b:{digest.hexdigest()}" if planes else ""


def left_out(learnt: Sequence[LabelledPlane], measured: Sequence[LabelledPlane], classes: int) -> list[int]:
    """Classes that are learnt, but not measured on: scores do not tell how they are called."""
    taught, asked = (_pixels([plane.labels for plane in planes], classes) > 0 for planes in (learnt, measured))
    return [int(number) for number in np.flatnonzero(taught & ~asked)]


def _images(stacks: Sequence[int | None]) -> list[list[int]]:
    """Numbers of the planes of each image."""
    found: dict[object, list[int]] = {}
    for plane, stack in enumerate(stacks):
        found.setdefault((plane,) if stack is None else stack, []).append(plane)
    return list(found.values())


def _by_image(
    targets: list[NDArray[np.uint8]], images: list[list[int]], classes: int, share: float, rng: np.random.Generator
) -> Split | None:
    """Images drawn at random; None if each has more than half of a class."""
    counts = np.array([_pixels([targets[plane] for plane in planes], classes) for planes in images])
    total = counts.sum(axis=0)
    left = total
    wanted = max(1, round(share * len(images)))
    held: list[list[int]] = []
    for number in rng.permutation(len(images)):
        rest = left - counts[number]
        if len(held) < wanted and (2 * rest >= total).all():
            held.append(images[number])
            left = rest
    if not held:
        return None
    aside = {plane for planes in held for plane in planes}
    training = tuple(None if plane in aside else t for plane, t in enumerate(targets))
    validation = tuple(t if plane in aside else None for plane, t in enumerate(targets))
    return Split(training, validation, "whole images")


def _by_block(
    targets: list[NDArray[np.uint8]],
    images: list[list[int]],
    classes: int,
    share: float,
    limit: float,
    rng: np.random.Generator,
) -> Split:
    """Blocks drawn at random, rarest class first, until each class has given its share, and none more than the limit.

    A block of a stack goes through all its planes.
    """
    blocks = [(planes, block) for planes in images for block in _blocks(targets[planes[0]].shape)]
    counts = np.array([_pixels([targets[plane][block] for plane in planes], classes) for planes, block in blocks])
    total = counts.sum(axis=0)
    given = np.zeros(classes, np.int64)
    held: set[int] = set()
    for label in np.argsort(total):
        for number in rng.permutation(len(blocks)):
            if given[label] >= share * total[label]:
                break
            after = given + counts[number]
            if int(number) in held or not counts[number, label] or (after > limit * total).any():
                continue
            held.add(int(number))
            given = after
    training = [t.copy() for t in targets]
    validation = [np.full_like(t, UNLABELLED) for t in targets]
    for number in held:
        planes, block = blocks[number]
        for plane in planes:
            validation[plane][block] = targets[plane][block]
            training[plane][block] = UNLABELLED
    return Split(tuple(training), tuple(v if held else None for v in validation), "blocks" if held else "none")


def _pixels(labels: Sequence[NDArray[np.uint8]], classes: int) -> NDArray[np.int64]:
    """Number of pixels of each class in all of them together."""
    total = np.zeros(classes, np.int64)
    for one in labels:
        total += np.bincount(one.ravel(), minlength=256)[:classes]
    return total


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    return _cut(shape, tuple(min(_BLOCKS, n) for n in shape))


def _parts(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    return _cut(shape, tuple(max(1, round(n / _PART_EDGE)) for n in shape))


def _cut(shape: tuple[int, ...], pieces: tuple[int, ...]) -> list[tuple[slice, slice]]:
    rows, columns = (np.linspace(0, n, count + 1).astype(int) for n, count in zip(shape, pieces, strict=True))
    return [
        (slice(a, b), slice(c, d))
        for a, b in zip(rows, rows[1:], strict=False)
        for c, d in zip(columns, columns[1:], strict=False)
    ]


def glimpses(planes: Sequence[LabelledPlane], classes: int, most_pixels: int, seed: int) -> list[LabelledPlane]:
    """Parts of the planes that hold about `most_pixels` together, for measuring often and quickly.

    Parameters
    ----------
    planes
        All that is held out.
    classes
        Number of classes.
    most_pixels
        If the planes hold no more, they are given back whole.
    seed
        Of the choice.

    Notes
    -----
    Images of one specimen or paper often follow one another and are alike: a little of all images says more about
    those to come than all of the first few. Of each class the part is taken that shows most of it; the others are drawn
    from all that have labels.
    """
    if sum(plane.image.size for plane in planes) <= most_pixels:
        return list(planes)
    places = [(plane, part) for plane in planes for part in _parts(plane.labels.shape)]
    counts = np.array([_pixels([plane.labels[part]], classes) for plane, part in places])
    drawn = random_generator(seed, 3).permutation(np.flatnonzero(counts.any(axis=1)))
    chosen = dict.fromkeys([*counts.argmax(axis=0)[counts.any(axis=0)], *drawn])  # each once, in this order
    found = [  # views: nothing is copied
        replace(plane, image=plane.image[part], labels=plane.labels[part])
        for plane, part in (places[number] for number in chosen)
    ]
    sizes = np.cumsum([part.image.size for part in found])
    return found[: max(1, int(np.searchsorted(sizes, most_pixels)))]
