"""The power that a spectrum would have without spots, and how far noise rises above it.

Noise of any smooth colour (shot noise, amorphous film under a lens, blur) gives in each frequency bin an
exponentially distributed power about a mean that varies slowly. Its median over a neighbourhood, which spots hardly
touch, is that mean times ln 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.resample import interpolate
from napari_visualccc.processing.spectrum import window_correlation

Plane = NDArray[np.float32]

_LN2 = float(np.log(2))
# Rounding of float32 makes noise of its own, about this share of the strongest power.
_ROUNDING = 1e-13
# No detector's noise spans more between its colours; below is what filtering and rounding left, full of sharp steps.
_FAINTEST = 1e-5
_BEAM_BINS = 6  # around the zero frequency: what is there is no colour of noise
_BLOCK = 8  # bins: edge of the neighbourhoods whose median is taken
_PASSES = 2  # the second mends what the first smooths away where the colour is steep
_LINE_BINS = 28  # how far streaks are followed to each side of a spot
# Streaks come in bursts, which a median would miss; spots in a row fill less than a quarter of their line.
_LINE_QUANTILE = 0.75


def background(power: Plane, rings: Rings) -> Plane:
    """Mean power of noise around each bin.

    Parameters
    ----------
    power
        Power spectrum, or a part of it, shape (Y, X).
    rings
        Of that shape, around the zero frequency.

    Returns
    -------
    ndarray of float32, shape (Y, X)
        Never zero.

    Notes
    -----
    In three steps, each on what the former left: an even polynomial of fourth order in the frequency, which a blur is
    nearly; the median over rings, which is fine along the radius; the median over patches of 40 × 40 bins, which
    follows colours that depend on direction. All on a logarithmic scale, where a Gaussian blur is a parabola.
    """
    floor = max(float(power.max()) * _ROUNDING, 1e-30)
    logs = np.log(np.maximum(power, np.float32(floor)))
    found = _colour(logs, rings.radius)
    found += rings.medians(logs - found)
    for _ in range(_PASSES):
        found += _patch_medians(logs - found)
    mean = np.exp(found - np.float32(np.log(_LN2)))
    outside = rings.radius > _BEAM_BINS
    faintest = _FAINTEST * float(mean[outside].mean()) if outside.any() else 0.0
    return np.asarray(np.maximum(mean, np.float32(faintest)))


@dataclass(frozen=True)
class Rings:
    """Bins of a plane sorted by their distance from a centre.

    Attributes
    ----------
    radius
        Distance of each bin, shape (Y, X).
    order
        Bins (of the raveled plane) from the innermost ring to the outermost.
    shift
        Added to the values in that order, it keeps the rings apart when all of them are sorted at once.
    edges
        Where each ring begins in that order, and where the last one ends.
    """

    radius: Plane
    order: NDArray[np.intp]
    shift: NDArray[np.float64]
    edges: NDArray[np.intp]

    @staticmethod
    @lru_cache(maxsize=4)
    def of(shape: tuple[int, int], centre: tuple[float, float]) -> Rings:
        """Rings one bin wide around a centre (row, column)."""
        y, x = (np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(shape, centre, strict=True))
        radius = np.hypot(y[:, None], x[None])
        ring = np.rint(radius).astype(np.intp).ravel()
        order = np.argsort(ring, kind="stable")
        edges = np.concatenate([[0], np.cumsum(np.bincount(ring))])
        for made in (radius, order, edges):
            made.flags.writeable = False
        return Rings(radius, order, ring[order].astype(np.float64), edges)

    def medians(self, values: Plane) -> Plane:
        """Median over the ring that each bin lies on, interpolated along the radius; of finite values."""
        span = 2.0 * float(values.max() - values.min()) + 1.0
        ordered = np.sort(values.ravel()[self.order] + span * self.shift)
        first, last = self.edges[:-1], self.edges[1:]
        known = np.flatnonzero(last > first)
        low, high = (ordered[(first + last - 1 + i)[known] // 2] for i in (0, 1))
        medians = np.interp(np.arange(len(first)), known, (low + high) / 2 - span * known)
        padded = np.pad(medians, 1, mode="edge")  # near the centre a ring has few bins: three are looked at together
        medians = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
        return np.asarray(np.interp(self.radius, np.arange(len(medians)), medians), np.float32)


def _blocks(logs: Plane) -> tuple[Plane, int]:
    """Medians of square blocks, and their edge in bins."""
    block = max(2, min(_BLOCK, round(logs.shape[0] / 21), logs.shape[1] // 4))
    padded = np.pad(logs, [(0, -n % block) for n in logs.shape], mode="edge")
    grid = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block)
    return _median_of_last(grid.transpose(0, 2, 1, 3).reshape(grid.shape[0], grid.shape[2], -1)), block


def _median_of_last(values: Plane) -> Plane:
    """Median along the last axis: for rows this short, sorting them is ten times faster than selecting."""
    ordered = np.sort(values, axis=-1)
    count = values.shape[-1]
    return np.asarray((ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2, np.float32)


def _colour(logs: Plane, radius: Plane) -> Plane:
    """Even polynomial through the medians of blocks, those that lie off left out in a second fit."""
    medians, block = _blocks(logs)
    beam = np.unravel_index(radius.argmin(), radius.shape)
    y, x = ((np.arange(n, dtype=np.float32) - c) / logs.shape[0] for n, c in zip(logs.shape, beam, strict=True))

    orders = [(i, j) for i in range(5) for j in range(5 - i) if (i + j) % 2 == 0]
    middle = [axis[0] + (np.arange(n) * block + (block - 1) / 2) * (axis[1] - axis[0])
              for axis, n in zip((y, x), medians.shape, strict=True)]  # fmt: skip
    design = np.stack([np.outer(middle[0] ** i, middle[1] ** j).ravel() for i, j in orders], 1)
    values = medians.ravel()
    used = values > values.max() + np.log(_FAINTEST)
    for _ in range(2):
        coefficients = np.linalg.lstsq(design[used], values[used], rcond=None)[0]
        off = np.abs(values - design @ coefficients)
        used &= off <= 3 * np.median(off[used]) + 1e-6
    table = np.zeros((5, 5), np.float32)
    for order, coefficient in zip(orders, coefficients, strict=True):
        table[order] = coefficient
    powers = np.arange(5)
    return np.asarray((y[:, None] ** powers) @ table @ (x[:, None] ** powers).T, np.float32)


def _patch_medians(logs: Plane) -> Plane:
    medians, block = _blocks(logs)
    # A spectrum goes on at its upper border with what stands at the lower; at the right it is much like its mirror.
    around = np.pad(np.pad(medians, ((3, 3), (0, 0)), mode="wrap"), ((0, 0), (3, 3)), mode="symmetric")
    patches = np.lib.stride_tricks.sliding_window_view(around, (5, 5))
    smooth = _median_of_last(patches.reshape(*patches.shape[:2], -1))  # from one block before the first one on
    for axis in (0, 1):
        smooth = interpolate(smooth, (np.arange(logs.shape[axis]) + 0.5) / block + 0.5, axis)
    return smooth


@lru_cache(maxsize=256)
def threshold(false_alarms: float, bins: int, window: str = "none", sigma: float = 0.0, axes: int = 2) -> float:
    r"""Ratio to the background that the highest of many noise bins exceeds with a given probability.

    Parameters
    ----------
    false_alarms
        Wanted probability that a noise image has any bin above.
    bins
        Number of bins that are searched; taken as independent, which errs on the safe side.
    window
        Window of the spectrum: it makes neighbouring bins alike.
    sigma
        Standard deviation in bins of a Gaussian that the power was smoothed with.
    axes
        2 for noise that fills the spectrum; 1 for noise on a line, of which smoothing across averages nothing.

    Notes
    -----
    A weighted sum of correlated exponential variables is one of independent ones with the weights λ, the eigenvalues
    of their weighted covariance. Its tail follows from K(t) = -Σ log(1 - λt) by the saddle point [1]_:

    .. math:: P(S > s) \approx e^{K(t) - ts} / (t \sqrt{2\pi K''(t)}), \quad K'(t) = s.

    References
    ----------
    .. [1] Daniels, "Saddlepoint approximations in statistics", Ann. Math. Stat. 25 (1954) 631,
       doi 10.1214/aoms/1177728652.

    Examples
    --------
    >>> round(threshold(0.01, 1000), 2) == round(np.log(1000 / 0.01), 2)
    True
    """
    wanted = np.log(false_alarms / max(bins, 1))
    weights = gaussian_weights(sigma)
    rho = np.zeros(len(weights))
    rho[: len(window_correlation(window))] = window_correlation(window)[: len(weights)]
    apart = np.abs(np.subtract.outer(np.arange(len(weights)), np.arange(len(weights))))
    line = np.linalg.eigvalsh(np.sqrt(np.outer(weights, weights)) * rho[apart])
    shares = np.outer(line, line).ravel() if axes == 2 else line / line.sum()
    shares = shares[shares > 1e-6 * shares.max()]
    if len(shares) == 1:
        return float(-wanted)
    low, high = 1e-9, 1 - 1e-9
    for _ in range(80):  # t in units of its limit 1 / λ_max: the tail falls with it
        middle = (low + high) / 2
        t = middle / shares.max()
        level = (shares / (1 - shares * t)).sum()
        curvature = ((shares / (1 - shares * t)) ** 2).sum()
        tail = -np.log1p(-shares * t).sum() - t * level - np.log(t * np.sqrt(2 * np.pi * curvature))
        low, high = (middle, high) if tail > wanted else (low, middle)
    return float(level)


def gaussian_weights(sigma: float) -> NDArray[np.float64]:
    """Weights of a Gaussian along one axis, of odd length and sum 1."""
    reach = int(np.ceil(3 * sigma))
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / sigma) ** 2) if sigma > 0 else np.ones(1)
    return np.asarray(weights / weights.sum())


def spread(ratio: Plane, sigma: float) -> Plane:
    """Power over background smoothed with `gaussian_weights`, outside taken as mirrored."""
    from scipy.ndimage import correlate1d

    if sigma <= 0:
        return ratio
    weights = gaussian_weights(sigma).astype(np.float32)
    return np.asarray(correlate1d(correlate1d(ratio, weights, 0), weights, 1), np.float32)


def line_background(
    ratio: Plane, places: NDArray[np.intp], directions: NDArray[np.float64], gap: int
) -> NDArray[np.float64]:
    """Noise along lines through spots: high on the streaks of scan noise, borders and the zero beam.

    Parameters
    ----------
    ratio
        Power over `background`, shape (Y, X).
    places
        Row and column of each spot, shape (n, 2).
    directions
        Unit vectors (y, x) of the lines, shape (n, 2).
    gap
        Bins next to the spot that are left out.

    Returns
    -------
    ndarray, shape (n,)
        Mean noise over 28 bins to each side; the mean of both sides. 1 where there is no streak.
    """
    steps = np.arange(gap + 1, gap + 1 + _LINE_BINS)
    total, sides = np.zeros(len(places)), np.zeros(len(places))
    for sign in (-1, 1):
        index = np.rint(places[:, None] + sign * directions[:, None] * steps[None, :, None]).astype(int)
        inside = ((index >= 0) & (index < ratio.shape)).all(-1)
        index = np.clip(index, 0, np.array(ratio.shape) - 1)
        values = np.sort(np.where(inside, ratio[index[..., 0], index[..., 1]], np.inf), axis=1)
        values[np.isinf(values)] = 0  # outside, sorted to the end
        count = inside.sum(1)
        at = np.maximum(_LINE_QUANTILE * (count - 1), 0)  # nanquantile would go from row to row in Python
        low = at.astype(int)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        rows = np.arange(len(places))
        known = count >= _LINE_BINS // 4
        quantile = values[rows, low] * (1 - (at - low)) + values[rows, high] * (at - low)
        total[known] += quantile[known] / -np.log(1 - _LINE_QUANTILE)
        sides[known] += 1
    return np.asarray(np.maximum(total / np.maximum(sides, 1), 1.0))
