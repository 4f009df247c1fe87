"""Crystals: cell, lattice spacings, structure factors, and the reflections that a zone axis shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.absences import is_absent

Vector = NDArray[np.float64]
Atom = tuple[str, float, float, float]
Index = tuple[int, ...]

# Damping of scattering with angle, exp(-B/(4 d²)) with B in nm²: atomic size and thermal motion together.
_DAMPING_NM2 = 0.04
_WEAKEST = 0.05
_ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
)
ATOMIC_NUMBER = {element: number for number, element in enumerate(_ELEMENTS.split(), start=1)}


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
    """Unit cell, with its atoms if they are known.

    Attributes
    ----------
    name
        Formula.
    lengths_nm, angles_deg
        a, b, c and α, β, γ.
    space_group
        Hermann-Mauguin symbol, or at least its first letter: says which reflections are absent when no atoms are
        given.
    atoms
        Element and fractional coordinates of every atom of the cell; may be empty.
    source
        Where the cell is from.
    """

    name: str
    lengths_nm: tuple[float, float, float]
    angles_deg: tuple[float, float, float] = (90.0, 90.0, 90.0)
    space_group: str = "P 1"
    atoms: tuple[Atom, ...] = ()
    source: str = ""

    @cached_property
    def cell(self) -> Vector:
        """Cell vectors as rows, in nm."""
        a, b, c = self.lengths_nm
        cos_a, cos_b, cos_g = np.cos(np.deg2rad(self.angles_deg))
        sin_g = np.sin(np.deg2rad(self.angles_deg[2]))
        cx, cy = c * cos_b, c * (cos_a - cos_b * cos_g) / sin_g
        rows = np.array([[a, 0, 0], [b * cos_g, b * sin_g, 0], [cx, cy, np.sqrt(c**2 - cx**2 - cy**2)]])
        return np.asarray(rows, np.float64)

    @cached_property
    def reciprocal(self) -> Vector:
        """Reciprocal cell vectors as rows, in 1/nm."""
        return np.asarray(np.linalg.inv(self.cell).T, np.float64)

    def d_spacing(self, hkl: Index) -> float:
        """Distance of the lattice planes hkl in nm."""
        return float(1 / np.linalg.norm(np.asarray(hkl) @ self.reciprocal))

    def structure_factor(self, hkl: Index) -> complex:
        """Kinematic structure factor, scattering taken as atomic number times a damping with angle.

        Zero (to rounding) where the space group forbids the reflection. Without atoms, one scatterer per lattice
        point, and zero where the symbol of the space group forbids.
        """
        damping = np.exp(-_DAMPING_NM2 / (4 * self.d_spacing(hkl) ** 2))
        if not self.atoms:
            return complex(0.0 if is_absent(self.space_group, hkl) else damping)
        places = np.array([atom[1:] for atom in self.atoms])
        weights = np.array([ATOMIC_NUMBER[atom[0]] for atom in self.atoms])
        return complex((weights * np.exp(2j * np.pi * places @ np.asarray(hkl))).sum() * damping)

    def reach(self, d_min_nm: float) -> tuple[int, int, int]:
        """Largest index along each axis of any reflection with a spacing of at least `d_min_nm`."""
        h, k, length = (int(np.floor(edge / d_min_nm + 1e-9)) for edge in np.linalg.norm(self.cell, axis=1))
        return h, k, length

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
