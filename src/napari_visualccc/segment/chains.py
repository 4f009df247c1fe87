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

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector along the last stretch, as long as the layer is thick; zeros for a single point."""
        stretch = min(len(self.points) - 1, max(1, round(float(np.median(self.thickness)) / self.step)))
        vector = self.points[-1] - self.points[-1 - stretch]
        return np.asarray(vector / max(float(np.hypot(*vector)), 1e-300))


def chain_pieces(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Number the layers and let positions run on over gaps.

    Of all pairs of facing ends the nearest are joined first. Layers are ordered from long to short, walked from left
    to right (from top to bottom if steep), and begin at position 0.
    """
    chains = [[piece] for piece in pieces]
    while True:
        best: tuple[float, int, int, bool, bool] | None = None
        for one in range(len(chains)):
            for two in range(one + 1, len(chains)):
                for turn_one in (False, True):
                    for turn_two in (False, True):
                        gap = _gap(_oriented(chains[one], turn_one)[-1], _oriented(chains[two], turn_two)[0])
                        if gap is not None and (best is None or gap < best[0]):
                            best = (gap, one, two, turn_one, turn_two)
        if best is None:
            break
        _, one, two, turn_one, turn_two = best
        chains[one] = _oriented(chains[one], turn_one) + _oriented(chains[two], turn_two)
        del chains[two]
    chains.sort(key=lambda chain: -sum(len(piece.points) * piece.step for piece in chain))
    return tuple(piece for layer, chain in enumerate(chains) for piece in _placed(chain, layer))


def _oriented(chain: list[Piece], turned: bool) -> list[Piece]:
    return [piece.turned() for piece in reversed(chain)] if turned else chain


def _gap(before: Piece, after: Piece) -> float | None:
    """Width of the gap between two stretches; None if the second does not continue the first."""
    if before.closed or after.closed:
        return None
    step = after.points[0] - before.points[-1]
    gap = float(np.hypot(*step))
    thickness = (float(np.median(before.thickness)) + float(np.median(after.thickness))) / 2
    # Half a thickness is left out at each end of a gap.
    if gap > (_LARGEST_GAP + 1) * thickness:
        return None
    forward, onward = before.direction, -after.turned().direction
    if gap > 0 and min(float(forward @ step), float(onward @ step)) < _LEAST_COSINE * gap:
        return None
    return gap


def _placed(chain: list[Piece], layer: int) -> list[Piece]:
    run = chain[-1].points[-1] - chain[0].points[0]
    leads = run[1] if abs(run[1]) >= abs(run[0]) else run[0]
    placed: list[Piece] = []
    for piece in _oriented(chain, bool(leads < 0)):
        start = 0.0
        if placed:
            start = placed[-1].position[-1] + float(np.hypot(*(piece.points[0] - placed[-1].points[-1])))
        placed.append(replace(piece, position=piece.position - piece.position[0] + start, layer=layer))
    return placed
