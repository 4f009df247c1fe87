"""Stretches of a layer put in order, across gaps, so that places along it have one coordinate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# A layer goes on behind a gap of up to so many thicknesses, if it turns by no more than 45°.
_LARGEST_GAP = 5.0
_LEAST_COSINE = math.sqrt(0.5)


@dataclass(frozen=True)
class Piece:
    """Unbroken stretch of a layer.

    Attributes
    ----------
    points
        ``(y, x)`` of places on the centre line, in physical units; shape (n, 2), n ≥ 1.
    position
        Place along the centre line, in physical units, ascending; shape (n,).
    thickness
        Thickness at each place, in physical units.
    closed
        True for a ring.
    step
        Distance of neighbouring places.
    layer
        Number of the layer that the stretch belongs to, from 0.
    """

    points: NDArray[np.float64]
    position: NDArray[np.float64]
    thickness: NDArray[np.float64]
    closed: bool
    step: float
    layer: int = 0

    def moved(self, origin: NDArray[np.float64]) -> Piece:
        """The same seen from another origin."""
        return replace(self, points=self.points + origin)

    def turned(self) -> Piece:
        """The same walked backwards."""
        position = self.position[-1] + self.position[0] - self.position[::-1]
        return replace(self, points=self.points[::-1], position=position, thickness=self.thickness[::-1])


def chain_pieces(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Number the layers and let positions run on over gaps.

    Of all pairs of facing ends the nearest are joined first. Layers are ordered from long to short, walked from left
    to right (from top to bottom if steep), and begin at position 0.
    """
    partner: dict[int, int] = {}
    group = list(range(len(pieces)))
    for one, other in _facing_ends(pieces):
        if one in partner or other in partner or group[one // 2] == group[other // 2]:
            continue
        partner[one], partner[other] = other, one
        joined, gone = group[one // 2], group[other // 2]
        group = [joined if number == gone else number for number in group]
    chains = [
        _walk(min(end for end in range(2 * len(pieces)) if group[end // 2] == number and end not in partner), partner)
        for number in sorted(set(group))
    ]
    chained = [[pieces[end // 2] if end % 2 == 0 else pieces[end // 2].turned() for end in ends] for ends in chains]
    chained.sort(key=lambda chain: -sum(len(piece.points) * piece.step for piece in chain))
    return tuple(piece for layer, chain in enumerate(chained) for piece in _placed(chain, layer))


def _facing_ends(pieces: list[Piece]) -> list[tuple[int, int]]:
    """Pairs of ends between which a layer may go on, nearest first; piece p has the ends 2p (first) and 2p + 1."""
    if not pieces:
        return []
    both = [one for piece in pieces for one in (piece.turned(), piece)]
    place = np.array([piece.points[-1] for piece in both])
    outward = np.array([_direction(piece) for piece in both])
    # Half a thickness is left out at each end of a gap.
    reach = np.array([0.0 if piece.closed else (_LARGEST_GAP + 1) * _middle(piece) for piece in both])
    step = place[None] - place[:, None]
    gap = np.hypot(step[..., 0], step[..., 1])
    leads = (outward[:, None] * step).sum(axis=2) >= _LEAST_COSINE * gap
    number = np.arange(len(both))
    facing = leads & leads.T & (number[:, None] < number) & (number[:, None] // 2 != number // 2)
    facing &= (gap <= (reach[:, None] + reach) / 2) & (reach[:, None] > 0) & (reach > 0)
    one, other = np.nonzero(facing)
    order = np.argsort(gap[one, other], kind="stable")
    return list(zip(one[order].tolist(), other[order].tolist(), strict=True))


def _middle(piece: Piece) -> float:
    return float(np.median(piece.thickness))


def _direction(piece: Piece) -> NDArray[np.float64]:
    """Unit vector along the last stretch, as long as the layer is thick; zeros for a single point."""
    stretch = min(len(piece.points) - 1, max(1, round(_middle(piece) / piece.step)))
    vector = piece.points[-1] - piece.points[-1 - stretch]
    return np.asarray(vector / max(float(np.hypot(*vector)), 1e-300))


def _walk(end: int, partner: dict[int, int]) -> list[int]:
    """Ends at which the pieces of a chain are entered, from a free end on."""
    entered = [end]
    while entered[-1] ^ 1 in partner:
        entered.append(partner[entered[-1] ^ 1])
    return entered


def _placed(chain: list[Piece], layer: int) -> list[Piece]:
    run = chain[-1].points[-1] - chain[0].points[0]
    leads = run[1] if abs(run[1]) >= abs(run[0]) else run[0]
    if leads < 0:
        chain = [piece.turned() for piece in reversed(chain)]
    placed: list[Piece] = []
    for piece in chain:
        start = 0.0
        if placed:
            start = placed[-1].position[-1] + float(np.hypot(*(piece.points[0] - placed[-1].points[-1])))
        placed.append(replace(piece, position=piece.position - piece.position[0] + start, layer=layer))
    return placed
