"""Crystals of the simulated lithium interphase, and the zone axes along which its grains are shown."""

from __future__ import annotations

from napari_visualccc.core.crystals import Crystal, Index
from napari_visualccc.core.phases import built_in_phases

ZONES: dict[str, tuple[Index, ...]] = {
    "Li": ((1, 0, 0), (1, 1, 1), (1, 1, 0)),
    "Li2O": ((1, 1, 0), (1, 1, 2)),
    "LiF": ((1, 0, 0), (1, 1, 0)),
    "Li2CO3": ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 0)),
}
CRYSTALS: dict[str, Crystal] = {crystal.name: crystal for crystal in built_in_phases() if crystal.name in ZONES}
