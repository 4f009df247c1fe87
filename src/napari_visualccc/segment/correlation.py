"""How far a measured field or series is alike: lengths along two axes, and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Correlation below this is taken for none: it lies within the noise of what images of usual size can tell.
_NO_CORRELATION = 0.05
# The direction of a structure is that of the lags, connected with none, at which it correlates by more than this.
_CORE = 0.25
# Fields without direction seem to be up to so much longer than wide by chance.
_ELONGATED = 2.0
# Of independent samples the correlation scatters by 1/√pairs; so many times that are no sign of it.
_SCATTER = 2.0
# First without the bias of the correlation, which is unknown; more often lets the time of long series run away.
_ITERATIONS = 2


@dataclass(frozen=True)
class Correlation:
    """Correlation lengths of a field along two axes that are perpendicular to each other.

    Attributes
    ----------
    height, width
        Along the axes that point about down and right, in cells.
    tilt
        By how much the axes are turned from right towards down, in radians, from -π/4 to π/4.
    """

    height: float
    width: float
    tilt: float = 0.0

    @property
    def mean(self) -> float:
        """Length of the field without direction that has the same integral range."""
        return math.sqrt(self.height * self.width)

    def along(self, angle: float) -> float:
        """Length along another direction, given like `tilt`: that of the ellipse with these half-axes."""
        turned = angle - self.tilt
        return math.hypot(self.width * math.cos(turned), self.height * math.sin(turned))


def longest(lengths: Sequence[Correlation]) -> Correlation:
    """Lengths that none exceeds, along the axes of that one which is longest.

    Examples
    --------
    >>> longest([Correlation(1, 9), Correlation(2, 2)])
    Correlation(height=2.0, width=9.0, tilt=0.0)
    """
    tilt = max(lengths, key=lambda one: max(one.height, one.width)).tilt
    height, width = (max(one.along(tilt + angle) for one in lengths) for angle in (math.pi / 2, 0.0))
    return Correlation(height, width, tilt)


def correlation_lengths(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Correlation:
    r"""Correlation lengths of a random field that is sampled on square cells.

    Parameters
    ----------
    values
        Mean of the field in each cell, shape (planes, rows, columns). Its mean over all planes is the level about
        which it varies, so that planes that differ from each other count as correlation over the whole plane.
    weights
        How much of each cell is known; cells of weight 0 do not count.

    Returns
    -------
    Correlation
        In cells; 0 for a constant field.

    Notes
    -----
    Their product is :math:`A/2π` with the integral range :math:`A = ∫ρ(h)\,dh` of the correlation function ρ,
    summed up to the distance at which ρ, averaged over directions, falls below 0.05. For ρ = exp(-h/ξ) they are
    about ξ. Layers and fibres correlate farther along than across: distance is then measured by ellipses, whose axes
    are those of the second moments of ρ near its peak. There is no such ellipse for a grating of lines that go through
    the image in two directions: lengths are then too small.

    References
    ----------
    Lantuéjoul, C., "Ergodicity and integral range", J. Microsc. 161 (1991) 387-403,
    https://doi.org/10.1111/j.1365-2818.1991.tb03099.x.
    """
    known = weights > 0
    if not known.any():
        return Correlation(0.0, 0.0)
    level = float((values * weights)[known].sum() / weights[known].sum())
    pairs, sums = _products(known.astype(np.float64)), _products(np.where(known, values - level, 0.0))
    rows, columns = (n // 2 for n in pairs.shape)
    variance = sums[rows, columns] / pairs[rows, columns]
    if variance <= 1e-12:  # rounding of a constant field
        return Correlation(0.0, 0.0)
    y, x = np.mgrid[-rows : rows + 1, -columns : columns + 1].astype(np.float64)
    # Farther than half the field there are too few pairs to tell.
    near = (np.hypot(y, x) <= max(1.0, max(values.shape[1:]) / 2)) & (pairs > 0.5)
    rho = np.divide(sums, pairs * variance, out=np.zeros_like(sums), where=near)
    ratio, tilt = _shape(rho, y, x)  # height / width
    down, right = y * math.cos(tilt) - x * math.sin(tilt), x * math.cos(tilt) + y * math.sin(tilt)
    ring = np.rint(np.hypot(down / math.sqrt(ratio), right * math.sqrt(ratio))[near]).astype(np.int64)
    lags, ring_pairs = np.bincount(ring), np.bincount(ring, pairs[near])
    mean = np.bincount(ring, (rho * pairs)[near]) / np.maximum(ring_pairs, 1)
    faded = np.flatnonzero((mean < _NO_CORRELATION) & (lags > 0))
    area = float((mean * lags)[: faded[0] if len(faded) else len(mean)].sum())
    length = math.sqrt(area / (2 * math.pi))
    return Correlation(length * math.sqrt(ratio), length / math.sqrt(ratio), tilt)


def _products(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over planes of the products of values that lie a lag apart; lag 0 is in the middle."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    rows, columns = field.shape[1:]
    shape = (next_fast_len(2 * rows, real=True), next_fast_len(2 * columns, real=True))
    total = sum(np.abs(rfft2(plane, shape)) ** 2 for plane in field)
    y, x = np.arange(1 - rows, rows), np.arange(1 - columns, columns)
    return np.asarray(irfft2(total, shape)[np.ix_(y, x)])


def _shape(rho: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float]:
    """Height by width of the peak of a correlation function, and tilt of its axes; 1 and 0 if it has no direction."""
    from scipy.ndimage import label

    peaks, _ = label(rho > _CORE, np.ones((3, 3)))
    peak = peaks == peaks[rho.shape[0] // 2, rho.shape[1] // 2]
    weight, down, right = rho[peak] - _CORE, y[peak], x[peak]
    # Lags stand for squares, of which each has a moment of 1/12.
    yy, xx = (np.average(side**2, weights=weight) + 1 / 12 for side in (down, right))
    xy = np.average(down * right, weights=weight)
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    ratio = math.sqrt((middle + spread) / max(middle - spread, 1 / 24))
    if ratio < _ELONGATED:
        return 1.0, 0.0
    tilt = math.atan2(2 * xy, xx - yy) / 2
    if abs(tilt) <= math.pi / 4:
        return 1 / ratio, tilt
    return ratio, tilt - math.copysign(math.pi / 2, tilt)


def correlation_time(series: NDArray[np.float64], means: int = 1) -> float:
    """Number of consecutive samples that tell as much as one independent one.

    Parameters
    ----------
    series
        Deviations from the mean, shape (samples, series); equally spaced. NaN where nothing is known.
    means
        From how many means, each of a share of the samples, they were taken.

    Returns
    -------
    float
        :math:`τ = 1 + 2 ∑_k ρ_k` up to the first lag k at which the correlation ρ is lost; at least 1, at most the
        number of samples.

    Notes
    -----
    The mean of n samples has the variance :math:`σ^2 τ/n`. By so much are covariances too small that were measured from
    deviations from it, which shortens τ for series that are a few τ long. It is made up for:
    :math:`ρ = (r + τ/n) / (1 + τ/n)`, with the τ found without.

    References
    ----------
    Anderson, T. W., "The Statistical Analysis of Time Series", Wiley 1971, section 8.2.

    Examples
    --------
    >>> correlation_time(np.repeat(np.random.default_rng(0).normal(size=300), 10)[:, None]) > 7
    True
    """
    from scipy.fft import irfft, next_fast_len, rfft

    samples = len(series)
    known = np.isfinite(series)
    length = next_fast_len(2 * samples, real=True)

    def products(values: NDArray[np.float64]) -> NDArray[np.float64]:
        power = (np.abs(rfft(values, length, axis=0)) ** 2).sum(axis=1)
        return np.asarray(irfft(power, length))[: samples // 2 + 1]

    pairs, sums = products(known.astype(np.float64)), products(np.where(known, series, 0.0))
    pairs = np.maximum(pairs, 1.0)
    if sums[0] / pairs[0] <= 1e-24:
        return 1.0
    measured = (sums / pairs)[1:] / (sums[0] / pairs[0])
    least = np.maximum(_NO_CORRELATION, _SCATTER / np.sqrt(pairs[1:]))
    tau = 1.0
    for _ in range(_ITERATIONS):
        bias = means * tau / pairs[0]
        rho = (measured + bias) / (1 + bias)
        faded = np.flatnonzero(rho < least)
        tau = min(1 + 2 * float(rho[: faded[0] if len(faded) else len(rho)].sum()), float(pairs[0]))
    return tau


def is_too_short(series: NDArray[np.float64]) -> bool:
    """Whether samples are so few that `correlation_time` could find no correlation even in equal ones.

    Examples
    --------
    >>> is_too_short(np.zeros((2, 4))), is_too_short(np.zeros((2, 5)))
    (True, False)
    """
    known = np.isfinite(series)
    return bool(np.count_nonzero(known[1:] & known[:-1]) <= _SCATTER**2)
