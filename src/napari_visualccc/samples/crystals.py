"""Crystals of the lithium interphase: cells, atoms, lattice spacings and the reflections of a zone axis.

References
----------
.. [1] Li: Nadler & Kempter, Anal. Chem. 31 (1959) 2109, doi 10.1021/ac60156a007. Body-centred cubic.
.. [2] Li2O: Hull et al., J. Nucl. Mater. 160 (1988) 125, doi 10.1016/0022-3115(88)90039-4. Antifluorite.
.. [3] LiF: Thewlis, Acta Cryst. 8 (1955) 36, doi 10.1107/S0365110X55000108. Rock salt.
.. [4] Li2CO3: Effenberger & Zemann, Z. Kristallogr. 150 (1979) 133, doi 10.1524/zkri.1979.150.1-4.133. C 2/c.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Atom = tuple[str, float, float, float]
Index = tuple[int, ...]

_ATOMIC_NUMBER = {"Li": 3, "C": 6, "O": 8, "F": 9}
# Damping of scattering with angle, exp(-B/(4 d²)) with B in nm²: atomic size and thermal motion together.
_DAMPING_NM2 = 0.04
_WEAKEST = 0.05


@dataclass(frozen=True)
class Reflection:
    """A lattice plane seen along a zone axis.

    Attributes
    ----------
    hkl
        Miller indices.
    vector
        (y, x) of the reciprocal lattice vector in 1/nm, in the plane of the image.
    amplitude
        Structure factor relative to the strongest reflection.
    phase
        Phase of the structure factor in radians.
    """

    hkl: Index
    vector: Vector
    amplitude: float
    phase: float

    @property
    def d_nm(self) -> float:
        """Lattice spacing."""
        return float(1 / np.hypot(*self.vector))


@dataclass(frozen=True)
class Crystal:
    """Unit cell with its atoms.

    Attributes
    ----------
    name
        Formula.
    lengths_nm, angles_deg
        a, b, c and α, β, γ.
    atoms
        Element and fractional coordinates of every atom of the cell.
    zones
        Low-index zone axes along which grains are shown.
    """

    name: str
    lengths_nm: tuple[float, float, float]
    angles_deg: tuple[float, float, float]
    atoms: tuple[Atom, ...]
    zones: tuple[Index, ...]

    @property
    def cell(self) -> Vector:
        """Cell vectors as rows, in nm."""
        a, b, c = self.lengths_nm
        cos_a, cos_b, cos_g = np.cos(np.deg2rad(self.angles_deg))
        sin_g = np.sin(np.deg2rad(self.angles_deg[2]))
        cx, cy = c * cos_b, c * (cos_a - cos_b * cos_g) / sin_g
        rows = np.array([[a, 0, 0], [b * cos_g, b * sin_g, 0], [cx, cy, np.sqrt(c**2 - cx**2 - cy**2)]])
        return np.asarray(rows, np.float64)

    @property
    def reciprocal(self) -> Vector:
        """Reciprocal cell vectors as rows, in 1/nm."""
        return np.asarray(np.linalg.inv(self.cell).T, np.float64)

    def d_spacing(self, hkl: Index) -> float:
        """Distance of the lattice planes hkl in nm."""
        return float(1 / np.linalg.norm(np.asarray(hkl) @ self.reciprocal))

    def structure_factor(self, hkl: Index) -> complex:
        """Kinematic structure factor, scattering taken as atomic number times a damping with angle.

        Zero (to rounding) where the space group forbids the reflection.
        """
        damping = np.exp(-_DAMPING_NM2 / (4 * self.d_spacing(hkl) ** 2))
        places = np.array([atom[1:] for atom in self.atoms])
        weights = np.array([_ATOMIC_NUMBER[atom[0]] for atom in self.atoms])
        return complex((weights * np.exp(2j * np.pi * places @ np.asarray(hkl))).sum() * damping)

    def reflections(self, zone: Index, d_min_nm: float) -> list[Reflection]:
        """Allowed reflections of a zone axis with spacings down to `d_min_nm`, one of each ± pair, strongest first."""
        reach = int(np.ceil(max(self.lengths_nm) / d_min_nm))
        axis = np.asarray(zone) @ self.cell
        up = axis / np.linalg.norm(axis)
        across = np.linalg.svd(up[None])[2][1:]  # two directions in the plane of the image
        found: list[tuple[Index, Vector, complex]] = []
        for hkl in product(range(-reach, reach + 1), repeat=3):
            if hkl <= (0, 0, 0) or np.dot(hkl, zone) or self.d_spacing(hkl) < d_min_nm:
                continue
            found.append((hkl, across @ (np.asarray(hkl) @ self.reciprocal), self.structure_factor(hkl)))
        strongest = max((abs(factor) for *_, factor in found), default=1.0)
        kept = [
            Reflection(hkl, vector, abs(factor) / strongest, float(np.angle(factor)))
            for hkl, vector, factor in found
            if abs(factor) > _WEAKEST * strongest
        ]
        return sorted(kept, key=lambda reflection: -reflection.amplitude)


def _placed(element: str, positions: list[tuple[float, float, float]]) -> tuple[Atom, ...]:
    return tuple((element, x % 1, y % 1, z % 1) for x, y, z in positions)


def _centred(positions: list[tuple[float, float, float]], shifts: list[Vector]) -> list[tuple[float, float, float]]:
    return [tuple(np.add(place, shift).tolist()) for place in positions for shift in shifts]


def _c2c(x: float, y: float, z: float) -> list[tuple[float, float, float]]:
    """All places of C 2/c (unique axis b) that belong to one, doubles on special positions removed."""
    places = [(x, y, z), (-x, y, 0.5 - z), (-x, -y, -z), (x, -y, 0.5 + z)]
    whole = _centred(places, [np.zeros(3), np.array([0.5, 0.5, 0.0])])
    return sorted({tuple(round(float(c) % 1, 6) % 1 for c in place) for place in whole})  # type: ignore[misc]


_FACE = [np.zeros(3), np.array([0, 0.5, 0.5]), np.array([0.5, 0, 0.5]), np.array([0.5, 0.5, 0])]
_BODY = [np.zeros(3), np.full(3, 0.5)]
_CUBIC = (90.0, 90.0, 90.0)

CRYSTALS: dict[str, Crystal] = {
    "Li": Crystal(
        "Li", (0.35093,) * 3, _CUBIC, _placed("Li", _centred([(0, 0, 0)], _BODY)), ((1, 0, 0), (1, 1, 1), (1, 1, 0))
    ),
    "Li2O": Crystal(
        "Li2O",
        (0.4614,) * 3,
        _CUBIC,
        _placed("O", _centred([(0, 0, 0)], _FACE))
        + _placed("Li", _centred([(0.25, 0.25, 0.25), (0.75, 0.75, 0.75)], _FACE)),
        ((1, 1, 0), (1, 1, 2)),
    ),
    "LiF": Crystal(
        "LiF",
        (0.40271,) * 3,
        _CUBIC,
        _placed("F", _centred([(0, 0, 0)], _FACE)) + _placed("Li", _centred([(0.5, 0.5, 0.5)], _FACE)),
        ((1, 0, 0), (1, 1, 0)),
    ),
    "Li2CO3": Crystal(
        "Li2CO3",
        (0.8359, 0.49725, 0.61975),
        (90.0, 114.83, 90.0),
        _placed("Li", _c2c(0.1965, 0.4493, 0.8344))
        + _placed("C", _c2c(0.0, 0.0657, 0.25))
        + _placed("O", _c2c(0.0, 0.3209, 0.25))
        + _placed("O", _c2c(0.1459, -0.0629, 0.3127)),
        ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 0)),
    ),
}
