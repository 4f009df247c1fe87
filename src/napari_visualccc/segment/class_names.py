"""Which label values a list of names is meant for: the one rule for training, comparing and measuring."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.segment.measure_options import NO_DATA, split_words
from napari_visualccc.segment.notes import some_of

_NUMBERED = re.compile(r"\s*(\d+)\s*=(.*)")
# A comma with no number behind it is part of a name.
_BETWEEN_NUMBERED = re.compile(r",(?=\s*\d+\s*=)")
# So many values are told in a message.
_LISTED = 10
_SAY_IT_BY_VALUE = ": say which is whose, as in --classes 1=…,2=…"


def named_values(
    found: Sequence[int], names: Sequence[str], *, ignore: int | None = None, complete: bool = False
) -> dict[int, str]:
    """Name per label value.

    Parameters
    ----------
    found
        Values that labels hold, ascending.
    names
        As many as values: of these, in their order. More: of the values from 0 on, some of which the labels may lack;
        0 itself must be there, or else they may as well count from 1.
    ignore
        Value that is none of those found, but has its name where names count from 0.
    complete
        True if there can be no other values than those found.

    Raises
    ------
    OptionError
        If the names do not fit the values, or could be meant in two ways.

    Examples
    --------
    >>> named_values([1, 2], ["matrix", "film"]), named_values([0, 2], ["matrix", "film", "pore"])
    ({1: 'matrix', 2: 'film'}, {0: 'matrix', 1: 'film', 2: 'pore'})
    """
    if len(names) == len(found):
        return dict(zip(found, names, strict=True))
    if not complete and 0 in (*found, ignore) and max(found, default=0) < len(names):
        return dict(enumerate(names))
    raise OptionError(_misfit(found, names))


def numbered_names(text: str) -> dict[int, str] | None:
    """Names given as ``value=name``, as of `spelled_names`; None if the text is a plain list of names.

    Raises
    ------
    OptionError
        If a value has two names, or none.

    Examples
    --------
    >>> numbered_names("1=matrix,2=Li, molten"), numbered_names("matrix,film")
    ({1: 'matrix', 2: 'Li, molten'}, None)
    """
    parts = _BETWEEN_NUMBERED.split(text.strip(" ,"))
    numbered = [match for part in parts if (match := _NUMBERED.fullmatch(part))]
    if len(numbered) < len(parts):
        return None
    names = {int(match[1]): match[2].strip() for match in numbered}
    if len(names) < len(numbered) or not all(names.values()):
        raise OptionError(f"each value takes one name, not as in {text!r}")
    return names


def expect_named(found: Sequence[int], names: Mapping[int, str]) -> None:
    """Raise an `OptionError` that lists the values without a name, if there are any."""
    unnamed = [str(value) for value in found if value not in names]
    if unnamed:
        raise OptionError(
            f"there is no name for the values [{some_of(unnamed, _LISTED)}] beside {spelled_names(names)}"
        )


def names_to_measure(text: str, found: Collection[int], ignore: str = "", *, complete: bool = False) -> dict[int, str]:
    """Names of the values of labels that are to be measured.

    Parameters
    ----------
    text
        Names separated by commas, meant as `named_values` says.
    found
        Values that the labels hold.
    ignore
        As in `MeasureOptions`: a value that is ignored by its number needs no name.
    complete
        True if these are known to be the values of all phases and nothing else, as from the table of `segment predict`.

    Raises
    ------
    OptionError
        If the names do not fit the values, or could be meant in two ways.
    """
    names = split_words(text)
    values = sorted(set(found) - {NO_DATA, *(int(word) for word in split_words(ignore) if word.isdecimal())})
    phases = values
    # 255 may stand where nothing is known, as `segment predict` writes it if 0 is a phase; beside 0 alone it is a mask.
    if UNLABELLED in values and values != [0, UNLABELLED] and not complete:
        phases = [value for value in values if value != UNLABELLED]
    if len(phases) < len(values) == len(names):  # 255 may be the last phase, or another may be lacking
        raise OptionError(_misfit(values, names) + ", of which 255 may be no phase" + _SAY_IT_BY_VALUE)
    try:
        return named_values(phases, names, complete=complete)
    except OptionError as error:
        raise OptionError(_misfit(values, names) + _SAY_IT_BY_VALUE) from error


def _misfit(found: Sequence[int], names: Sequence[str]) -> str:
    values = some_of([str(value) for value in found], _LISTED)
    return f"{len(names)} class names were given ({', '.join(names)}) for the values [{values}]"


def spelled_names(names: Mapping[int, str]) -> str:
    """Text for ``--classes`` that gives these names to these values, whatever the labels hold.

    Examples
    --------
    >>> spelled_names({1: "matrix", 2: "Li, molten"})
    '1=matrix,2=Li, molten'
    """
    return ",".join(f"{value}={name}" for value, name in names.items())
