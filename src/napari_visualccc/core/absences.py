"""Which reflections a space group forbids, read from its Hermann-Mauguin symbol.

The first letter gives the centring; the glide planes and screw axes that follow forbid rows and planes of
reflections. Spaces between the directions make a symbol unambiguous (``"P 4/n m m"``, ``"I 41 3 2"``); the compact
forms in common use (``"Fd-3m"``, ``"P21/c"``) are read too.

References
----------
.. [1] International Tables for Crystallography, vol. A, section 2.2.13, "Reflection conditions",
   doi 10.1107/97809553602060000100.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

Index = tuple[int, ...]
Rule = Callable[[int, int, int], bool]  # of h, k, l (written m); True: forbidden

_CENTRING: dict[str, Rule] = {
    "P": lambda h, k, m: False,
    "A": lambda h, k, m: (k + m) % 2 != 0,
    "B": lambda h, k, m: (h + m) % 2 != 0,
    "C": lambda h, k, m: (h + k) % 2 != 0,
    "I": lambda h, k, m: (h + k + m) % 2 != 0,
    "F": lambda h, k, m: len({h % 2, k % 2, m % 2}) != 1,
    "R": lambda h, k, m: (-h + k + m) % 3 != 0,  # hexagonal axes, obverse
}
CENTRINGS = tuple(_CENTRING)
_TOKEN = re.compile(r"-?[12346][1-5]?(?:/[abcdnem])?|[abcdnem]")


def is_absent(space_group: str, hkl: Index) -> bool:
    """Tell whether the space group forbids the reflection.

    Parameters
    ----------
    space_group
        Hermann-Mauguin symbol; a letter alone gives the centring.
    hkl
        Miller indices; of trigonal cells on hexagonal axes.

    Raises
    ------
    ValueError
        If the symbol begins with no centring.

    Notes
    -----
    Special positions may forbid more; only atoms tell.

    Examples
    --------
    >>> is_absent("F d -3 m", (2, 0, 0)), is_absent("F m -3 m", (2, 0, 0)), is_absent("P 4/n m m", (1, 0, 0))
    (True, False, True)
    """
    h, k, m = (int(index) for index in hkl)
    return any(rule(h, k, m) for rule in _rules(space_group.strip()))


@lru_cache(maxsize=256)
def _rules(symbol: str) -> tuple[Rule, ...]:
    letter = symbol[:1].upper()
    if letter not in _CENTRING:
        raise ValueError(f"space group {symbol!r} must begin with one of {', '.join(CENTRINGS)}")
    parts = _parts(symbol[1:])
    return (_CENTRING[letter], *_elements(parts)) if parts else (_CENTRING[letter],)


def _parts(text: str) -> list[str]:
    """Symmetry elements by direction; a monoclinic symbol of one direction means the unique axis b."""
    text = text.replace("_", "").strip()
    parts = text.split() if " " in text else _TOKEN.findall(text)
    if len(parts) == 1 and re.fullmatch(r"21?(/[abcnm])?|[abcnm]", parts[0]):
        return ["1", parts[0], "1"]
    return parts


def _elements(parts: list[str]) -> Iterator[Rule]:
    first = parts[0]
    second, third = (parts[i] if len(parts) > i else "" for i in (1, 2))
    if second in ("3", "-3"):  # cubic: three axes alike, then the diagonals
        for axis in range(3):
            # In "P a -3" a is the glide across c; across a it runs along b, and so on in a circle.
            yield from _axial(first.replace("a", "abc"[(axis + 1) % 3]), axis)
        yield from _diagonal(third, cubic=True)
    elif first[0] == "4" or first.startswith("-4"):
        yield from _axial(first, 2)
        yield from _axial(second, 0)
        yield from _axial(second, 1)
        yield from _diagonal(third, cubic=False)
    elif first[0] in "36" or first[:2] in ("-3", "-6"):
        yield from _hexagonal(first, second, third)
    else:  # monoclinic and orthorhombic
        for axis, part in enumerate((first, second, third)):
            yield from _axial(part, axis)


def _axial(part: str, axis: int) -> Iterator[Rule]:
    """Screw along an axis and glide plane across it."""
    screw = re.match(r"(2|4|3|6)([1-5])", part)
    if screw:
        step = int(screw[1]) // _common(int(screw[1]), int(screw[2]))
        yield lambda *hkl: _is_row(hkl, axis) and hkl[axis] % step != 0
    glide = re.search(r"[abcdnem]", part)
    if glide and glide[0] not in "me":
        yield _glide(glide[0], axis)


def _glide(kind: str, axis: int) -> Rule:
    others = [i for i in range(3) if i != axis]
    if kind in "abc":
        along = "abc".index(kind)
        return lambda *hkl: hkl[axis] == 0 and hkl[along] % 2 != 0
    step = 4 if kind == "d" else 2
    return lambda *hkl: hkl[axis] == 0 and (hkl[others[0]] + hkl[others[1]]) % step != 0


def _diagonal(part: str, *, cubic: bool) -> Iterator[Rule]:
    """Glide planes across the face diagonals."""
    kind = re.search(r"[abcdn]", part)
    if kind is None:
        return
    for axis in range(3) if cubic else (2,):
        p, q = (i for i in range(3) if i != axis)
        if kind[0] == "d":
            yield lambda *hkl, p=p, q=q, axis=axis: abs(hkl[p]) == abs(hkl[q]) and (2 * hkl[p] + hkl[axis]) % 4 != 0
        else:
            yield lambda *hkl, p=p, q=q, axis=axis: abs(hkl[p]) == abs(hkl[q]) and hkl[axis] % 2 != 0


def _hexagonal(first: str, second: str, third: str) -> Iterator[Rule]:
    yield from _axial(first, 2)
    if "c" in second:
        yield lambda h, k, m: 0 in (h, k, h + k) and m % 2 != 0
    if "c" in third:
        yield lambda h, k, m: 0 in (h - k, 2 * h + k, h + 2 * k) and m % 2 != 0


def _is_row(hkl: tuple[int, ...], axis: int) -> bool:
    return all(value == 0 for i, value in enumerate(hkl) if i != axis)


def _common(n: int, m: int) -> int:
    while m:
        n, m = m, n % m
    return n
