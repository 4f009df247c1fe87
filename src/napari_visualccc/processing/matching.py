"""Which crystal a set of spots is: candidates ranked by lattice spacings and inter-planar angles together.

A crystal seen along a zone axis predicts where spots may be. How much better than chance it does is counted in
natural logarithms of odds, so that large cells, which have a spot everywhere, gain little from each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import Crystal, Index
from napari_visualccc.processing.patterns import Pattern, patterns, spacings
from napari_visualccc.processing.peaks import Peaks

Complex = NDArray[np.complex128]
Floats = NDArray[np.float64]

# Share of spots that may belong to something else.
_OTHERS = 0.2
# Distortion of a lattice that a common scale does not mend: strain, drift, scan errors.
DISTORTION = 0.01
CALIBRATION = 0.01
_SPOTS_USED = 24
_TURNS_FROM = 6  # brightest spots that turns of the pattern are tried on
_PREDICTED = 60
# Odds from which a match is named: e³ is 20 : 1 against chance.
NAMED_ODDS = 3.0
FURTHER_ODDS = 6.0  # what the first crystal leaves is few spots, and was looked at before
_D_STEP_NM = 0.01
SpacingMatch = tuple[str, Index, float]  # phase, hkl, relative difference
_SMALLEST_D_NM = 0.06


@dataclass(frozen=True)
class PhaseMatch:
    """How well one crystal explains the spots.

    Attributes
    ----------
    phase
        Name of the crystal.
    log_odds
        Natural logarithm of the odds against chance, the number of patterns tried counted in.
    zone
        Zone axis of the best pattern; empty if only one spacing fits.
    scale
        Factor by which the measured spacings are too long (1.02: 2 %), from the spots explained.
    turn_deg
        Angle by which the pattern is turned.
    spots
        Indices of the spots it explains.
    hkl
        Their indices, in the same order.
    """

    phase: str
    log_odds: float
    zone: Index
    scale: float
    turn_deg: float
    spots: tuple[int, ...]
    hkl: tuple[Index, ...]


def rank_phases(
    peaks: Peaks, crystals: Iterable[Crystal], *, calibration: float = CALIBRATION, distortion: float = DISTORTION
) -> list[PhaseMatch]:
    r"""Rank crystals by how well one grain of each explains the spots.

    Parameters
    ----------
    peaks
        Spots with frequencies in 1/nm.
    crystals
        Candidates.
    calibration
        Relative error (standard deviation) of the pixel size.
    distortion
        Relative error of single spots beyond that and beyond noise.

    Returns
    -------
    list of PhaseMatch
        Best first.

    Notes
    -----
    For spots :math:`g_i` among N expected ones of weights :math:`w_j` in the half disc of area A that was searched,

    .. math:: L = \sum_i \log\left((1-\epsilon) A \sum_j w_j \mathcal{N}(g_i; s R v_j, \Sigma_i) + \epsilon\right)
              - \frac{(s-1)^2}{2 \sigma_s^2} - \log(\text{patterns} \cdot \text{turns}),

    maximised over zone axes, turns R and scale s.
    """
    if not len(peaks):
        return []
    chosen = np.argsort(-peaks.snr, kind="stable")[:_SPOTS_USED]
    # A pattern may be measured too large or too small by so much, and its outermost spots are spots, too.
    slack = 3 * float(np.hypot(calibration, DISTORTION))
    spots = _Spots(peaks, chosen, distortion, slack)
    d_min = max(np.floor(1 / spots.reach / _D_STEP_NM) * _D_STEP_NM, _SMALLEST_D_NM)
    found = [_best_of(crystal, spots, round(float(d_min), 4), calibration) for crystal in crystals]
    return sorted((match for match in found if match is not None), key=lambda match: -match.log_odds)


def explain(
    peaks: Peaks, crystals: Sequence[Crystal], *, calibration: float = CALIBRATION, distortion: float = DISTORTION,
    most: int = 12,
) -> list[PhaseMatch]:  # fmt: skip
    """Crystals that explain the spots together: the best, then the best for what is left, and so on.

    The first must beat chance 20 : 1, further ones 400 : 1; spot indices are those of `peaks`.
    """
    left = np.arange(len(peaks))
    found: list[PhaseMatch] = []
    while len(left) and len(found) < most:
        ranked = rank_phases(peaks.take(left), crystals, calibration=calibration, distortion=distortion)
        least = FURTHER_ODDS if found else NAMED_ODDS
        if not ranked or ranked[0].log_odds < least or not ranked[0].spots:
            break
        best = ranked[0]
        spots = tuple(int(left[i]) for i in best.spots)
        found.append(PhaseMatch(best.phase, best.log_odds, best.zone, best.scale, best.turn_deg, spots, best.hkl))
        left = np.setdiff1d(left, spots)
    return found


def spacing_matches(
    d_nm: float, error_nm: float, crystals: Iterable[Crystal], *, tolerance: float = 0.03
) -> list[SpacingMatch]:
    """Crystals with a lattice spacing near one, nearest first: (phase, hkl, relative difference)."""
    found = []
    for crystal in crystals:
        listed = spacings(crystal, round(max(np.floor(0.9 * d_nm / _D_STEP_NM) * _D_STEP_NM, _SMALLEST_D_NM), 4))
        if not len(listed.d_nm):
            continue
        off = np.abs(listed.d_nm - d_nm)
        best = int(off.argmin())
        if off[best] <= tolerance * d_nm + 2 * error_nm:
            found.append((crystal.name, tuple(listed.hkl[best].tolist()), float(d_nm / listed.d_nm[best] - 1)))
    return sorted(found, key=lambda match: abs(match[2]))


class _Spots:
    """Observed spots as complex numbers x + iy, with their errors."""

    def __init__(self, peaks: Peaks, chosen: NDArray[np.intp], distortion: float, slack: float) -> None:
        self.index = chosen
        frequency = peaks.frequency[chosen]
        self.at: Complex = frequency[:, 1] + 1j * frequency[:, 0]
        self.modulus = np.abs(self.at)
        self.sigma = np.hypot(peaks.error[chosen], distortion * self.modulus)
        self.slack = slack
        self.reach = (1 + slack) * float(self.modulus.max())
        self.area = np.pi / 2 * self.reach**2
        # Turns that can be told apart, by the spot best placed for it.
        self.turns = max(np.pi / (np.sqrt(2 * np.pi) * float((self.sigma / self.modulus).min())), 1.0)


def _best_of(crystal: Crystal, spots: _Spots, d_min: float, calibration: float) -> PhaseMatch | None:
    tried = patterns(crystal, d_min)
    best: PhaseMatch | None = None
    for pattern in tried:
        match = _fit(crystal.name, pattern, spots, calibration, len(tried))
        if match is not None and (best is None or match.log_odds > best.log_odds):
            best = match
    return best


def _fit(phase: str, pattern: Pattern, spots: _Spots, calibration: float, tried: int) -> PhaseMatch | None:
    vectors: Complex = pattern.vectors[:, 1] + 1j * pattern.vectors[:, 0]
    weights = np.sqrt(pattern.amplitudes)
    inside = np.flatnonzero(np.abs(vectors) <= spots.reach)
    inside = inside[np.argsort(-weights[inside], kind="stable")[:_PREDICTED]]
    vectors, weights = vectors[inside], weights[inside]
    if not len(vectors):
        return None
    weights = weights / (weights.sum() / 2)  # each ± pair has one spot in the half plane
    first = spots.at[:_TURNS_FROM, None] / vectors[None]
    turns = first[np.abs(np.abs(first) - 1) < spots.slack]
    if not len(turns):
        return None
    turns = turns / np.abs(turns)
    angle = np.unique(np.round(np.angle(turns), 3))
    factors = np.exp(1j * angle)
    for _ in range(2):
        factors = _rescaled(factors, vectors, spots, calibration)
    likelihood, nearest = _likelihood(factors, vectors, weights, spots)
    scale = np.abs(factors)
    odds = likelihood - 0.5 * ((scale - 1) / calibration) ** 2
    best = int(odds.argmax())
    near = nearest[best]
    gap = np.abs(spots.at - factors[best] * vectors[near])
    explained = np.flatnonzero(gap < 3 * spots.sigma)
    return PhaseMatch(
        phase,
        float(odds[best] - np.log(tried) - np.log(spots.turns)),
        pattern.zone,
        float(1 / scale[best]),
        float(np.rad2deg(np.angle(factors[best]))),
        tuple(int(i) for i in spots.index[explained]),
        tuple(tuple(pattern.hkl[inside[j]].tolist()) for j in near[explained]),
    )


def _rescaled(factors: Complex, vectors: Complex, spots: _Spots, calibration: float) -> Complex:
    """Turn and scale that fit the spots near each pattern best, the scale held near 1 by the calibration."""
    placed = factors[:, None, None] * vectors[None, :, None]
    gap = np.abs(spots.at[None, None] - placed)
    near = gap.argmin(1)
    reached = np.take_along_axis(gap, near[:, None], 1)[:, 0] < spots.slack * spots.modulus
    weight = reached / spots.sigma**2
    own = vectors[near]
    fitted = (weight * np.conj(own) * spots.at).sum(1)
    norm = (weight * np.abs(own) ** 2).sum(1)
    turn = np.where(norm > 0, fitted, factors)
    turn = turn / np.maximum(np.abs(turn), 1e-12)
    scale = (np.abs(fitted) + 1 / calibration**2) / (norm + 1 / calibration**2)
    return np.asarray(turn * scale)


def _likelihood(factors: Complex, vectors: Complex, weights: Floats, spots: _Spots) -> tuple[Floats, NDArray[np.intp]]:
    gap = np.abs(spots.at[None, None] - factors[:, None, None] * vectors[None, :, None])
    density = weights[None, :, None] / (2 * np.pi * spots.sigma**2) * np.exp(-0.5 * (gap / spots.sigma) ** 2)
    ratio = (1 - _OTHERS) * spots.area * density.sum(1) + _OTHERS
    return np.log(ratio).sum(1), gap.argmin(1)
