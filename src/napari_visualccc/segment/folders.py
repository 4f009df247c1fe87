"""Images and masks that belong together by their file names."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from napari_visualccc.core.errors import FileFormatError, InputError, OptionError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io import readers
from napari_visualccc.io.folders import read_files
from napari_visualccc.io.labels import read_label_file, whole_numbers
from napari_visualccc.segment.annotations import Annotated
from napari_visualccc.segment.notes import some_of

_log = logging.getLogger(__name__)
# What programs add to the name of a mask.
_SUFFIXES = ("_mask", "_masks", "_label", "_labels", "_seg", "_phases", "-mask", "-labels")
# Layers of a segmentation, and of its measurement, as `write_result` names them.
_RESULT = re.compile(r"(.+)_(?:phases|confidence|entropy|objects|thickness)\.ome\.(?:tif|zarr)")


def pair_files(images: str | Path, masks: str | Path) -> list[Annotated]:
    """Read the images of a folder (or one file) and the mask of each: the file of the same stem in another folder.

    In the same folder, masks are what has the name of a mask (``scan_mask.png`` of ``scan.tif``). Images without
    a mask are left out, as one annotates some of many, as are masks without an image, and our own results among the
    images. Of a file that holds several images, the first is read. The log tells of all but the results.

    Raises
    ------
    InputError
        If no image has a mask, one has several, or shapes differ.
    FileFormatError
        If a file cannot be read.
    """
    files = source_files(images)
    together = Path(images).resolve() == Path(masks).resolve()
    if together:
        files = [path for path in files if not _is_marked(path)]
    own = {path.resolve() for path in files}
    # Beside the images, what was predicted of them is no truth; in a folder of its own it is what is meant.
    found = [path for path in label_files(masks) if path.resolve() not in own and not (together and _is_result(path))]
    if not found:
        raise InputError(
            f"{masks} holds the images, but no masks: give that of the masks, or name them as scan_mask.png of scan.png"
        )
    pairs = _paired(files, found, images, masks)
    return [_annotated(_first(readers.read(image), image), mask, image.name) for image, mask in pairs]


def pair_labels(true: str | Path, others: str | Path) -> list[Annotated]:
    """Read label images of a folder (or one file), results of ours among them, and those of the same stem in another.

    Returns
    -------
    list of Annotated
        The first labels in place of the image, the others as its labels.

    Raises
    ------
    InputError
        If none belong together, several do, shapes differ, or one is a colour picture.
    FileFormatError
        If a file cannot be read.
    """
    named = label_files(true)
    stems = [stem(path) for path in named]
    twice = next((name for name in stems if stems.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"there are several labels of “{twice}” in {true}: leave one")
    pairs = []
    for first, second in _paired(named, label_files(others), true, others):
        one = as_labels(_first(read_label_file(first), first), first)
        pairs.append(_annotated(one, second, first.name))
    return pairs


def _paired(
    images: list[Path], masks: list[Path], of_images: str | Path, of_masks: str | Path
) -> list[tuple[Path, Path]]:
    """Each image that has a mask, with it; the log tells which of both have no other."""
    by_stem = _by_stem(masks)
    stems = {stem(image) for image in images}
    in_other_case = _by_stem((mask for mask in masks if stem(mask) not in stems), casefold=True)
    pairs = []
    for image in images:
        found = by_stem.get(stem(image)) or in_other_case.get(stem(image).casefold(), [])
        if len(found) > 1:
            raise InputError(
                f"{image.name} has two masks in {of_masks}, {found[0].name} and {found[1].name}: leave one"
            )
        pairs += [(image, mask) for mask in found]
    if not pairs:
        raise InputError(f"no image in {of_images} has a mask of the same name in {of_masks}")
    taken = {path for pair in pairs for path in pair}
    _tell_alone(images, taken, f"images in {of_images} have no mask in {of_masks}")
    if images != [Path(of_images)]:  # of one image there is no need to say that others' masks are left out
        _tell_alone(masks, taken, f"masks in {of_masks} have no image in {of_images}")
    return pairs


def _by_stem(paths: Iterable[Path], *, casefold: bool = False) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(stem(path).casefold() if casefold else stem(path), []).append(path)
    return found


def _tell_alone(paths: list[Path], taken: set[Path], what: str) -> None:
    alone = [path.name for path in paths if path not in taken]
    if alone:
        _log.warning("%d of %d %s and are left out: %s", len(alone), len(paths), what, some_of(alone))


def source_files(path: str | Path) -> list[Path]:
    """As `image_files`, without what an earlier segmentation wrote into the folder; a file itself is taken as it is.

    Raises
    ------
    FileFormatError
        If there is no such path, or no image in it.
    """
    return _files_but(Path(path), _is_result, "image file, only results of a segmentation")


def label_files(path: str | Path) -> list[Path]:
    """As `image_files`, without confidence, entropy and measurements that lie beside labels of ours.

    Raises
    ------
    FileFormatError
        If there is no such path, or no image in it but these.
    """
    return _files_but(
        Path(path), _is_by_product, "labels, only what a segmentation or measurement wrote beside some"
    )  # fmt: skip


def _files_but(path: Path, is_left_out: Callable[[Path], bool], wanted: str) -> list[Path]:
    """Image files of a folder without some; a file itself is taken as it is."""
    files = [file for file in image_files(path) if file == path or not is_left_out(file)]
    if not files:
        raise FileFormatError(f"{path} holds no {wanted}")
    return files


def read_labels(path: str | Path) -> list[ImageSignal]:
    """Read the label images of a file, or those of a folder as a stack (several if they do not fit together).

    Where some of them are results of ours, the others are the images that these belong to, and left out, which is told.

    Raises
    ------
    InputError
        If one is a JPEG picture.
    FileFormatError
        If a file cannot be read, or there is none in the folder that can; those left out are told.
    """
    path = Path(path)
    files = label_files(path)
    if files == [path]:
        return read_label_file(path)
    results = [file for file in files if _is_result(file)]
    if results:
        _tell_alone(files, set(results), f"images in {path} are no results of a segmentation, as others are,")
    signals = read_files(results or files, read_label_file, path.resolve().name, path)
    for note in signals[0].notes:
        _log.warning("%s: %s", path, note)
    return signals


def expect_same_names(image: ImageSignal, labels: ImageSignal) -> None:
    """Refuse two folders whose files do not follow each other in the same order: planes are paired by their numbers.

    Raises
    ------
    OptionError
        If two that would be one plane differ in name.
    """
    for one, other in zip(image.plane_names, labels.plane_names, strict=False):
        if stem(Path(one)).casefold() != stem(Path(other)).casefold():
            raise OptionError(
                f"{one} in {image.path} and {other} in {labels.path} would be one plane, but differ in name: give "
                "them one by one"
            )


def _is_result(path: Path) -> bool:
    """True for what `_RESULT` names, with the record of its making beside it."""
    match = _RESULT.fullmatch(path.name)
    return match is not None and path.with_name(f"{match[1]}_provenance.json").exists()


def _is_by_product(path: Path) -> bool:
    """True for confidence and entropy of a segmentation, and what was measured on it, which lie beside its labels."""
    return _is_result(path) and "_phases." not in path.name


def image_files(path: str | Path) -> list[Path]:
    """Image files of a folder in natural order, or the file itself.

    Raises
    ------
    FileFormatError
        If there is no such path, or no image in it.
    """
    path = Path(path)
    if path.is_file() or readers.is_zarr(path):
        return [path]
    if not path.is_dir():
        raise FileFormatError(f"{path} cannot be opened: there is no such file or folder")
    files = readers.image_files(path)
    if not files:
        within = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        hint = f"; folders within it, such as {within[0]}, are not searched" if within else ""
        raise FileFormatError(f"{path} holds no image file{hint}")
    return files


def stem(path: Path) -> str:
    """Name of a file without extensions and without what marks it as a mask."""
    name = _without_extension(path)
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def _without_extension(path: Path) -> str:
    for extension in (".ome.tif", ".ome.tiff", ".ome.zarr"):
        if path.name.lower().endswith(extension):
            return path.name[: -len(extension)]
    return path.stem


def _is_marked(path: Path) -> bool:
    """True if the name says that it is a mask."""
    return stem(path) != _without_extension(path)


def _annotated(image: ImageSignal, mask: Path, name: str) -> Annotated:
    labels = as_labels(_first(read_label_file(mask), mask), mask)
    return Annotated(image.planes, labels.planes, image.pixel_size, name)


def _first(signals: list[ImageSignal], path: Path) -> ImageSignal:
    if len(signals) > 1:
        _log.warning("%s holds %d images: only the first is read, %s", path, len(signals), signals[0].name)
    return signals[0]


def as_labels(signal: ImageSignal, path: Path) -> ImageSignal:
    """Labels read from a file, as whole numbers.

    Raises
    ------
    InputError
        If red, green and blue differ anywhere, or a value is no whole number, as NaN (that of labels which are not in
        memory when it is looked at).
    """
    if signal.rgb and not _is_grey(signal.planes):
        raise InputError(
            f"{path} is a colour picture: masks must be grey, the value of a pixel being the number of its phase, or "
            "have a palette"
        )
    return whole_numbers(signal)


def _is_grey(planes: Planes) -> bool:
    """True if a picture saved as RGB has the same red, green and blue everywhere (alpha does not count)."""
    colours = np.asarray(planes.source)[..., :3]
    return bool((colours == colours[..., :1]).all())
