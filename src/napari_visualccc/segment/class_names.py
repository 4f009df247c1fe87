"""Which label values a list of names is meant for: the one rule for training, comparing and measuring."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.segment.measure_options import NO_DATA, split_words

_NUMBERED = re.compile(r"\s*(\d+)\s*=(.*)")
# A comma with no number behind it is part of a name.
_BETWEEN_NUMBERED = re.compile(r",(?=\s*\d+\s*=)")
# So many values are told in a message.
_LISTED = 10


def named_values(found: Sequence[int], names: Sequence[str], *, complete: bool = False) -> dict[int, str]:
    """Name per label value.

    Parameters
    ----------
    found
        Values that labels hold, ascending.
    names
        As many as values: of these, in their order. More: of the values from 0 on, some of which the labels may lack.
    complete
        True if there can be no other values than those found.

    Raises
    ------
    OptionError
        If the names do not fit the values.

    Examples
    --------
    >>> named_values([1, 2], ["matrix", "film"]), named_values([2], ["matrix", "film", "pore"])
    ({1: 'matrix', 2: 'film'}, {0: 'matrix', 1: 'film', 2: 'pore'})
    """
    if len(names) == len(found):
        return dict(zip(found, names, strict=True))
    if found and found[-1] < len(names) and not complete:
        return dict(enumerate(names))
    told = ", ".join(map(str, found[:_LISTED])) + (", …" if len(found) > _LISTED else "")
    raise OptionError(f"{len(names)} class names were given ({', '.join(names)}) for the values [{told}]")


def names_to_measure(text: str, found: Collection[int], ignore: str = "") -> dict[int, str]:
    """Names of the values of labels that are to be measured.

    Parameters
    ----------
    text
        Names separated by commas, meant as `named_values` says; or each as ``value=name``, as of `spelled_names`.
    found
        Values that the labels hold.
    ignore
        As in `MeasureOptions`: a value that is ignored by its number needs no name.

    Raises
    ------
    OptionError
        If the names do not fit the values.
    """
    parts = _BETWEEN_NUMBERED.split(text.strip(" ,"))
    numbered = [match for part in parts if (match := _NUMBERED.fullmatch(part))]
    if len(numbered) == len(parts):
        return {int(match[1]): match[2].strip() for match in numbered}
    phases = set(found) - {NO_DATA, *(int(word) for word in split_words(ignore) if word.isdecimal())}
    if phases != {0, UNLABELLED}:  # else it is a mask
        phases.discard(UNLABELLED)  # what `segment predict` writes where nothing is known
    return named_values(sorted(phases), split_words(text))


def spelled_names(names: Mapping[int, str]) -> str:
    """Text for ``--classes`` that gives these names to these values, whatever the labels hold.

    Examples
    --------
    >>> spelled_names({1: "matrix", 2: "Li, molten"})
    '1=matrix,2=Li, molten'
    >>> names_to_measure("1=matrix,2=Li, molten", {0, 2})
    {1: 'matrix', 2: 'Li, molten'}
    """
    return ",".join(f"{value}={name}" for value, name in names.items())
