"""What to tell of the images that a model learns from, in words and in the recorded command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from napari_visualccc.core.results import fingerprint
from napari_visualccc.models.learnt import words_on_learnt
from napari_visualccc.models.windows import is_too_far

if TYPE_CHECKING:
    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.segment.annotations import Annotated, Dataset

_FEW = 3
_PLACEHOLDERS = ("--images", "IMAGES", "--masks", "MASKS", "--output", "MODEL")


def some_of(names: Sequence[str], most: int = _FEW) -> str:
    """The first names, at most so many, and how many more there are.

    Examples
    --------
    >>> some_of(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def data_flags(dataset: Dataset, arguments: Sequence[str] | None) -> Sequence[str]:
    """How the command line is told of the data; of images that are no files there are placeholders."""
    return arguments or (*_PLACEHOLDERS, *_value_flags(dataset))


def _value_flags(dataset: Dataset) -> list[str]:
    """How the command line is told which values are classes."""
    if dataset.binary:
        kind, ignored = ["--binary"], dataset.ignore
    elif 0 in dataset.ignore:
        # Masks whose 0 is ignored are read in the same way.
        kind, ignored = ["--strokes"], tuple(value for value in dataset.ignore if value)
    else:
        kind, ignored = [], dataset.ignore
    return kind + [part for value in ignored for part in ("--ignore-label", str(value))]


def on_held_out(state: TrainingState) -> list[str]:
    """That a training went on from a model that may have learnt from what is held out now."""
    if not state.earlier or any(row["step"] == 0 for row in state.history):
        return []
    return [
        "other labels are held out than before, and the model gone on from may have learnt from them: it is not "
        "compared with, and the scores may flatter"
    ]


def on_left_out(names: Sequence[str], is_measured: bool) -> list[str]:
    """That scores do not tell of phases, or that there are none.

    Parameters
    ----------
    names
        Phases that are learnt, but of which nothing is held out.
    is_measured
        Whether anything is held out.

    Examples
    --------
    >>> on_left_out(["film"], True)
    ['nothing of film is held out: the scores say nothing of it, and the last model is kept; label more of it']
    """
    if not names:
        return []
    if not is_measured:
        return ["nothing could be held out: there are no scores, and the last model is kept; label more of each phase"]
    which = "it" if len(names) == 1 else "them"
    return [
        f"nothing of {', '.join(names)} is held out: the scores say nothing of {which}, and the last model is kept; "
        f"label more of {which}"
    ]


def on_learnt(validation: Dataset | None, data: Sequence[Mapping[str, str]]) -> list[str]:
    """That images to measure on are among those learnt from.

    Parameters
    ----------
    validation
        Images that were given to measure on; None if some are held out, which never are learnt from.
    data
        Record of all that is learnt from.
    """
    if validation is None:
        return []
    known = {one["hash"] for one in data}
    words = words_on_learnt(sum(fingerprint(item.image) in known for item in validation.items), len(validation.items))
    return [words] if words else []


def on_pixel_sizes(items: Sequence[Annotated], size: PixelSize) -> list[str]:
    """What is taken for granted where images are not all calibrated alike; nothing if they are, or none is.

    Parameters
    ----------
    items
        The images.
    size
        What they are brought to; see `napari_visualccc.segment.preparation.common_pixel_size`.
    """
    units = sorted({item.pixel_size.unit for item in items if item.pixel_size.is_calibrated})
    if not size.is_calibrated:
        return _on_sizes_not_used(items, units)
    unknown = [item.name for item in items if not item.pixel_size.is_calibrated]
    too_far = [item.name for item in items if is_too_far(item.pixel_size, size)]
    notes = []
    if unknown:
        notes.append(
            f"the pixel size of {some_of(unknown)} is not known and taken to be that of the others ({size}): calibrate "
            f"{'it' if len(unknown) == 1 else 'them'} if it is another"
        )
    if too_far:
        notes.append(
            f"the pixel size of {some_of(too_far)} is too far from the {size} of the others to be brought to it: "
            f"{'it is' if len(too_far) == 1 else 'they are'} taken as {'it is' if len(too_far) == 1 else 'they are'}"
        )
    return notes


def _on_sizes_not_used(items: Sequence[Annotated], units: Sequence[str]) -> list[str]:
    """That pixel sizes are known, but of no use, as there is none to bring all images to."""
    if len(units) > 1:
        return [f"the images have pixel sizes in {' and '.join(units)}: all are learnt from as they are"]
    known = [item.name for item in items if item.pixel_size.is_calibrated]
    if not known:
        return []
    return [f"the pixel size of {some_of(known)} is of no use, as that of the images learnt from is not known"]
