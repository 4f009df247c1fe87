"""Which crystal the fringes of one place are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import Crystal
from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.processing.domains import Domain
from napari_visualccc.processing.grain_area import Area
from napari_visualccc.processing.lattice_options import LatticeOptions, longest, shortest
from napari_visualccc.processing.matching import NAMED_ODDS, PhaseMatch, rank_phases
from napari_visualccc.processing.peaks import Peaks, find_peaks
from napari_visualccc.processing.spectrum import SMALLEST, power_spectrum
from napari_visualccc.processing.windows import OVERLAP, LocalSpots

Plane = NDArray[np.float32]

_FREQUENCY_BINS = 0.1  # accuracy of a domain's frequency in bins of a window, measured on simulated grains
_FEWEST_SPOTS = 2
# Grains with fewer spots, or less sure of their name, are looked at in a spectrum of their own.
_SURE, _MANY_SPOTS = 0.99, 4
_SAME_BINS = 2.0  # of that spectrum: the fringes that the grain was found by must be among those that are named


@dataclass(frozen=True)
class Grain:
    """One crystal, or a part of one plane in which the same fringes are seen.

    Attributes
    ----------
    peaks
        Its spots, strongest first, in the units of the pixel size.
    match
        Crystal that explains them; None if none does better than chance.
    probability
        Of the match, against all other candidates and chance.
    region
        Slices (y, x) of the plane that hold it.
    score
        Height of its fringes over their height inside the grain, float32, shape of the region.
    """

    peaks: Peaks
    match: PhaseMatch | None
    probability: float
    region: tuple[slice, slice]
    score: Plane


@dataclass(frozen=True)
class Look:
    """What a plane is and what is looked for.

    Attributes
    ----------
    values
        The plane, finite, about zero.
    pixel_size, options, crystals
        As in `find_grains`.
    """

    values: Plane
    pixel_size: PixelSize
    options: LatticeOptions
    crystals: tuple[Crystal, ...]

    def ranked(self, peaks: Peaks) -> list[PhaseMatch]:
        """Candidates for the spots, best first; none without a calibration."""
        if self.pixel_size.unit != NANOMETRE or not self.crystals:
            return []
        return rank_phases(
            peaks, self.crystals, calibration=self.options.calibration / 100, distortion=self.options.distortion / 100
        )


def grains_of(area: Area, spots: LocalSpots, look: Look) -> list[Grain]:
    """The crystal that explains the fringes of an area best, and what lies over it."""
    group = area.refined
    left = list(range(len(group)))
    found: list[Grain] = []
    while left:
        peaks = _peaks([group[i] for i in left], spots, look.pixel_size)
        ranked = look.ranked(peaks)
        named = bool(ranked) and ranked[0].log_odds >= NAMED_ODDS
        own = sorted(ranked[0].spots) if named else list(range(len(left)))
        if len(left) - len(own) < _FEWEST_SPOTS:  # what is left is another crystal's only if it is more than a stray
            own = list(range(len(left)))
        match, probability = None, 0.0
        if named:
            best = ranked[0]
            match = replace(best, spots=tuple(own.index(i) for i in best.spots))
            probability = _probability(ranked)
        grain = Grain(peaks.take(np.array(own)), match, probability, area.region, area.score([left[i] for i in own]))
        found.append(_closer(grain, look))
        left = [left[i] for i in range(len(left)) if i not in own]
    return found


def _closer(grain: Grain, look: Look) -> Grain:
    """The grain with the name that a spectrum of its own gives it, if that is better founded.

    A window of the map shows a grain together with what is around it; seen alone, and as a whole, it shows its fainter
    spots.
    """
    if grain.match is not None and grain.probability >= _SURE and len(grain.match.spots) >= _MANY_SPOTS:
        return grain
    inside = grain.score > 0.5
    if not look.crystals or look.pixel_size.unit != NANOMETRE or not inside.any():
        return grain
    box = tuple(_span(inside.any(1 - axis)) for axis in (0, 1))
    part = look.values[grain.region][box] * np.minimum(grain.score[box], 1)
    if min(part.shape) < SMALLEST:
        return grain
    spectrum = power_spectrum(part, look.pixel_size)
    limits = {"longest": longest(look.options, look.pixel_size), "shortest": shortest(look.options, look.pixel_size)}
    peaks = find_peaks(spectrum, false_alarms=look.options.false_alarms, **limits)
    ranked = look.ranked(peaks) if len(peaks) else []
    if not ranked or ranked[0].log_odds < max(NAMED_ODDS, grain.match.log_odds if grain.match else 0.0):
        return grain
    best = ranked[0]
    own = np.array(sorted(best.spots))
    strongest = grain.peaks.frequency[int(grain.peaks.power.argmax())]
    apart = np.minimum(*(np.hypot(*((peaks.frequency[own] - sign * strongest) / spectrum.step).T) for sign in (1, -1)))
    if apart.min() > _SAME_BINS:
        return grain
    match = replace(best, spots=tuple(int(np.searchsorted(own, i)) for i in best.spots))
    return replace(grain, peaks=peaks.take(own), match=match, probability=_probability(ranked))


def _span(used: NDArray[np.bool_]) -> slice:
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1)


def _peaks(group: list[Domain], spots: LocalSpots, pixel_size: PixelSize) -> Peaks:
    frequency = np.array([domain.frequency for domain in group]) / [pixel_size.y, pixel_size.x]
    frequency *= np.where(frequency[:, 1] < 0, -1, 1)[:, None]
    ratio = np.array([domain.ratio.max() for domain in group])
    strength = np.array([domain.strength for domain in group])
    error = np.full(len(group), _FREQUENCY_BINS / spots.window / np.sqrt(pixel_size.y * pixel_size.x))
    error = error / np.sqrt([max(1.0, (d.ratio > 0).sum() * (2 / OVERLAP) ** 2) for d in group])
    return Peaks(frequency, error, ratio, strength, np.zeros((len(group), 2)), np.ones(len(group)))


def _probability(ranked: Sequence[PhaseMatch]) -> float:
    """Of the best candidate among all and chance (odds 1), all equally likely beforehand."""
    odds = np.array([match.log_odds for match in ranked] + [0.0])
    share = np.exp(odds - odds.max())
    return float(share[0] / share.sum())
