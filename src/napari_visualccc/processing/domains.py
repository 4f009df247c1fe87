"""From spots of single windows to fringes that reach over many windows, and to grains that show several of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing.windows import OVERLAP, LocalSpots

Floats = NDArray[np.float64]

# Neighbouring windows show the same fringes if their frequencies differ by less than this many bins.
_SAME_BINS = 0.8
_SPREAD_BINS = 0.7  # from the strongest window of a domain to any other: two grains that touch may link like spacings
_FEWEST_WINDOWS = 3
# Part of the smaller of two domains that must lie in the larger for both to be one grain.
_SHARED = 0.5
_MOST_SPOTS = 32
# Each window knows its background to some 20 % only, which multiplies the rate of false alarms; measured on noise.
_SAFETY = 0.02
_CORE = 0.25  # a window lies inside a domain if its power is this share of the domain's: half the amplitude


@dataclass(frozen=True)
class Domain:
    """One set of parallel fringes that reaches over neighbouring windows.

    Attributes
    ----------
    frequency
        Mean (y, x) in cycles per pixel.
    ratio
        Power over background per window, 0 where the fringes are not; shape of the grid of windows.
    """

    frequency: tuple[float, float]
    ratio: Floats

    @property
    def core(self) -> NDArray[np.bool_]:
        """Windows that lie inside the fringes rather than at their border."""
        inside = self.ratio[self.ratio > 0]
        return np.asarray(self.ratio >= _CORE * np.quantile(inside, 0.9))

    @property
    def strength(self) -> float:
        """Power over background, summed over windows."""
        return float(self.ratio.sum())


def seed_ratio(spots: LocalSpots, false_alarms: float) -> float:
    """Ratio that noise exceeds nowhere in the plane but with the given probability."""
    independent = max(1.0, spots.strongest.size * (2 / OVERLAP) ** 2)
    return float(np.log(spots.window**2 / 2 * independent / (_SAFETY * false_alarms)))


def fringe_domains(spots: LocalSpots, *, false_alarms: float = 0.01) -> list[Domain]:
    """Link spots of neighbouring windows that have the same frequency, strongest domain first.

    Parameters
    ----------
    spots
        From `local_spots`.
    false_alarms
        Probability that a plane of noise has any domain.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    count = len(spots.ratio)
    if not count:
        return []
    # A spot next to the column of zero frequency stands, mirrored, on its other side as well.
    near = np.flatnonzero(spots.frequency[:, 1] * spots.window < 1)
    member = np.concatenate([np.arange(count), near])
    sign = np.concatenate([np.ones(count), -np.ones(len(near))])
    frequency = spots.frequency[member] * sign[:, None]
    places = np.column_stack([spots.row[member], spots.column[member], frequency * spots.window / _SAME_BINS])
    pairs = cKDTree(places).query_pairs(1.0 + 1e-6, p=np.inf, output_type="ndarray")
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(member),) * 2)
    _, label = connected_components(links, directed=False)
    least = seed_ratio(spots, false_alarms)
    ratio = spots.ratio[member]
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    found: list[Domain] = []
    taken = np.zeros(count, bool)
    for group in sorted(groups, key=lambda g: -float(ratio[g].sum())):
        left = group[~taken[member[group]]]  # not what is the mirror image of one that is there already
        while len(left) and ratio[left].max() > least:
            off = np.abs(frequency[left] - frequency[left[ratio[left].argmax()]]).max(1) * spots.window
            own, left = left[off <= _SPREAD_BINS], left[off > _SPREAD_BINS]
            taken[member[own]] = True
            grid = np.zeros(spots.grid)
            np.maximum.at(grid, (spots.row[member[own]], spots.column[member[own]]), ratio[own])
            if np.count_nonzero(grid) >= min(_FEWEST_WINDOWS, grid.size):
                mean = np.average(frequency[own], axis=0, weights=ratio[own])
                found.append(Domain((float(mean[0]), float(mean[1])), grid))
    return sorted(found, key=lambda domain: -domain.strength)


def group_domains(domains: list[Domain]) -> list[list[Domain]]:
    """Domains that lie over each other, the strongest of each group first: candidates for one grain."""
    cores = [domain.core for domain in domains]
    left = list(range(len(domains)))
    groups = []
    while left:
        first = left[0]
        own = [i for i in left if _overlap(cores[first], cores[i]) > _SHARED]
        groups.append([domains[i] for i in own[:_MOST_SPOTS]])
        left = [i for i in left if i not in own]
    return groups


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(min(a.sum(), b.sum()), 1))
