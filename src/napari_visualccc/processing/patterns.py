"""What spots a crystal can show: the reflections of every zone axis of low indices, each pattern once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import gcd

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import ATOMIC_NUMBER, Crystal, Index

Floats = NDArray[np.float64]

_HIGHEST_ZONE = 3
# Reflections weaker than this share of the strongest of the crystal are seen only if nothing else explains a spot.
_WEAKEST = 0.03
_NOTHING = 1e-6  # rounding, as a share of all atoms scattering in phase


@dataclass(frozen=True)
class Pattern:
    """Spots along one zone axis, in the half plane x ≥ 0 of one orientation.

    Attributes
    ----------
    zone
        Indices of the zone axis.
    hkl
        Indices of each reflection, shape (n, 3).
    vectors
        (y, x) of each in 1/nm, shape (n, 2); both of every ± pair.
    amplitudes
        Structure factors relative to the strongest of the crystal, shape (n,).
    """

    zone: Index
    hkl: NDArray[np.intp]
    vectors: Floats
    amplitudes: Floats


@dataclass(frozen=True)
class SpacingList:
    """Lattice spacings of a crystal, longest first.

    Attributes
    ----------
    d_nm, amplitudes
        Spacing, and structure factor relative to the strongest, shape (n,).
    hkl
        One representative per spacing, shape (n, 3).
    """

    d_nm: Floats
    amplitudes: Floats
    hkl: NDArray[np.intp]


@lru_cache(maxsize=256)
def _all_reflections(crystal: Crystal, d_min_nm: float) -> tuple[NDArray[np.intp], Floats, Floats]:
    """All allowed hkl, reciprocal vectors (n, 3) and relative amplitudes."""
    reach = crystal.reach(d_min_nm)
    hkl = np.array([index for index in product(*(range(-n, n + 1) for n in reach)) if any(index)], np.intp)
    hkl = hkl.reshape(-1, 3)
    vectors = hkl @ crystal.reciprocal
    near = np.linalg.norm(vectors, axis=1) <= 1 / d_min_nm * (1 + 1e-9)
    hkl, vectors = hkl[near], vectors[near]
    amplitudes = np.array([abs(crystal.structure_factor(tuple(index))) for index in hkl.tolist()])
    possible = amplitudes > _NOTHING * (sum(ATOMIC_NUMBER[atom[0]] for atom in crystal.atoms) or 1)
    strongest = amplitudes.max() if possible.any() else 1.0
    kept = possible & (amplitudes > _WEAKEST * strongest)
    return hkl[kept], vectors[kept], amplitudes[kept] / strongest


@lru_cache(maxsize=256)
def spacings(crystal: Crystal, d_min_nm: float) -> SpacingList:
    """Allowed lattice spacings down to `d_min_nm`, each once.

    Examples
    --------
    >>> from napari_visualccc.core.phases import choose_phases
    >>> (gold,) = choose_phases(["Au"])
    >>> spacings(gold, 0.14).d_nm.round(4).tolist()
    [0.2355, 0.2039, 0.1442]
    """
    hkl, vectors, amplitudes = _all_reflections(crystal, d_min_nm)
    lengths = 1 / np.linalg.norm(vectors, axis=1)
    order = sorted(range(len(lengths)), key=lambda i: (-round(float(lengths[i]), 6), *(-hkl[i])))
    first: list[int] = []
    for i in order:
        if not first or lengths[first[-1]] - lengths[i] > 1e-6:
            first.append(i)
        elif amplitudes[i] > amplitudes[first[-1]] * (1 + 1e-6):
            first[-1] = i
    return SpacingList(lengths[first], amplitudes[first], hkl[first])


@lru_cache(maxsize=64)
def patterns(crystal: Crystal, d_min_nm: float) -> tuple[Pattern, ...]:
    """Patterns of all zone axes with indices up to 3 that show spots in two directions.

    Parameters
    ----------
    crystal
        The crystal.
    d_min_nm
        Smallest spacing that is looked at.

    Returns
    -------
    tuple of Pattern
        Simplest zone first; zones that look alike, as [100] and [010] of a cubic crystal, once.
    """
    hkl, vectors, amplitudes = _all_reflections(crystal, d_min_nm)
    found: list[Pattern] = []
    seen: set[tuple[float, ...]] = set()
    for zone in _zones():
        member = hkl @ np.array(zone) == 0
        if member.sum() < 4:
            continue
        axis = np.array(zone) @ crystal.cell
        first = vectors[member][np.argmin(np.linalg.norm(vectors[member], axis=1))]
        right = first / np.linalg.norm(first)
        up = axis / np.linalg.norm(axis)
        flat = vectors[member] @ np.stack([np.cross(up, right), right], 1)
        if np.abs(flat[:, 0]).max() < 1e-6:
            continue
        shape = _likeness(flat, amplitudes[member])
        if shape not in seen:
            seen.add(shape)
            found.append(Pattern(zone, hkl[member], flat, amplitudes[member]))
    return tuple(found)


def _zones() -> list[Index]:
    """Zone axes without common factor, simplest first. Opposite ones are both there: their patterns are mirrored."""
    reach = range(-_HIGHEST_ZONE, _HIGHEST_ZONE + 1)
    zones = [zone for zone in product(reach, repeat=3) if gcd(*zone) == 1]
    return sorted(zones, key=lambda zone: (sum(i * i for i in zone), [-i for i in zone]))


def _likeness(flat: Floats, amplitudes: Floats) -> tuple[float, ...]:
    """Numbers that are equal for patterns that only differ by a turn.

    Length and amplitude of the spots, and the turning sense of the two shortest pairs: mirror images differ.
    """
    length = np.hypot(*flat.T)
    order = np.lexsort((-amplitudes, length.round(5)))
    head = order[: min(24, len(order))]
    turned = flat[head, 0] + 1j * flat[head, 1]
    # Third-order invariant of the pattern: changes its sign in the mirror.
    weights = amplitudes[head] * length[head]
    six = turned / np.abs(turned)
    chiral = np.sum(weights[:, None] * weights[None] ** 2 * np.sin(4 * np.angle(six[:, None] / six[None])))
    return (*np.round(length[head], 3), *np.round(amplitudes[head], 2), round(float(chiral), 1), len(length))
