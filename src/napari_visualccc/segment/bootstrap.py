"""95 % intervals of ratios measured on correlated data: blocks are drawn anew instead of pixels or points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
# Correlation below this is taken for none: it lies within the noise of what images of usual size can tell.
_NO_CORRELATION = 0.05
# Of independent samples the correlation scatters by 1/√pairs; so many times that are no sign of it.
_SCATTER = 2.0
# Blocks of at least so many correlation lengths are nearly independent (neighbours correlate by about 0.1).
_LENGTHS_PER_BLOCK = 4.0
_RESAMPLES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """Two-sided 95 % interval per column; NaN where there are fewer than two blocks.

    Attributes
    ----------
    low, high
        Shape (columns,).
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def ratio_interval(
    sums: NDArray[np.float64], weights: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> Interval:
    r"""Interval of ``sums.sum(0) / weights.sum()`` when the blocks (rows) are a random sample.

    Parameters
    ----------
    sums
        Sum of each quantity in each block, shape (blocks, columns).
    weights
        Size of each block, shape (blocks,); blocks of weight 0 do not count.
    resamples
        How many samples of as many blocks to draw, with replacement.
    rng
        Source of chance.

    Notes
    -----
    Plain percentiles of the bootstrap are too narrow for few blocks (as if Student's t were normal, and the variance
    divided by n). Percentiles are therefore taken farther out, at :math:`Φ(±\sqrt{n/(n-1)}\, t_{n-1})`: the
    *expanded percentile* interval, which stays within the range of the data.

    References
    ----------
    Künsch, H. R., "The jackknife and the bootstrap for general stationary observations", Ann. Statist. 17 (1989)
    1217-1241, https://doi.org/10.1214/aos/1176347265.
    Hesterberg, T. C., "What teachers should know about the bootstrap", Am. Stat. 69 (2015) 371-386,
    https://doi.org/10.1080/00031305.2015.1089789.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = ratio_interval(rng.normal(10, 1, (50, 1)), np.ones(50), 500, rng)
    >>> bool(9.5 < found.low[0] < 10 < found.high[0] < 10.5)
    True
    """
    from scipy.special import ndtr, stdtrit

    used = weights > 0
    sums, weights = sums[used], weights[used]
    blocks, columns = sums.shape
    if blocks < 2 or resamples < 1:
        nothing = np.full(columns, np.nan)
        return Interval(nothing, nothing)
    share = np.full(blocks, 1 / blocks)
    drawn = np.empty((resamples, columns))
    step = max(1, _RESAMPLES_AT_ONCE // blocks)
    for first in range(0, resamples, step):
        last = min(first + step, resamples)
        times = rng.multinomial(blocks, share, last - first).astype(np.float64)
        drawn[first:last] = (times @ sums) / (times @ weights)[:, None]
    reach = math.sqrt(blocks / (blocks - 1)) * float(stdtrit(blocks - 1, (1 + CONFIDENCE) / 2))
    low, high = np.quantile(drawn, [float(ndtr(-reach)), float(ndtr(reach))], axis=0)
    return Interval(low, high)


def block_edge(correlation_length: float, field_edge: float) -> float:
    """Edge of square blocks for a field of a given edge and correlation length, all in the same unit.

    Notes
    -----
    The geometric mean of both, which is the growth that balances the bias of small blocks against the noise of few
    (Hall, Horowitz and Jing, "On blocking rules for the bootstrap with dependent data", Biometrika 82 (1995) 561-574,
    https://doi.org/10.1093/biomet/82.3.561), but no fewer than four correlation lengths.

    Examples
    --------
    >>> block_edge(4, 1024), block_edge(100, 1024)
    (64.0, 400.0)
    """
    return max(math.sqrt(correlation_length * field_edge), _LENGTHS_PER_BLOCK * correlation_length)


def correlation_length(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    r"""Correlation length of a random field that is sampled on square cells.

    Parameters
    ----------
    values
        Mean of the field in each cell, shape (planes, rows, columns). Its mean over all planes is the level about
        which it varies, so that planes that differ from each other count as correlation over the whole plane.
    weights
        How much of each cell is known; cells of weight 0 do not count.

    Returns
    -------
    float
        In cells; 0 for a constant field.

    Notes
    -----
    :math:`\sqrt{A/2π}` with the integral range :math:`A = ∫ρ(h)\,dh` of the correlation function ρ, summed up to
    the distance at which ρ, averaged over directions, falls below 0.05. For ρ = exp(-h/ξ) it is about ξ.

    References
    ----------
    Lantuéjoul, C., "Ergodicity and integral range", J. Microsc. 161 (1991) 387-403,
    https://doi.org/10.1111/j.1365-2818.1991.tb03099.x.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    known = weights > 0
    if not known.any():
        return 0.0
    level = float((values * weights)[known].sum() / weights[known].sum())
    deviation = np.where(known, values - level, 0.0)
    rows, columns = values.shape[1:]
    shape = (next_fast_len(2 * rows, real=True), next_fast_len(2 * columns, real=True))

    def products(field: NDArray[np.float64]) -> NDArray[np.float64]:
        total = sum(np.abs(rfft2(plane, shape)) ** 2 for plane in field)
        return np.asarray(irfft2(total, shape))

    pairs, sums = products(known.astype(np.float64)), products(deviation)
    variance = sums[0, 0] / pairs[0, 0]
    if variance <= 1e-12:  # rounding of a constant field
        return 0.0
    lag_y, lag_x = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    lag = np.hypot(lag_y[:, None], lag_x[None, :])
    # Farther than half the field there are too few pairs to tell.
    near = (lag <= max(1.0, max(rows, columns) / 2)) & (pairs > 0.5)
    ring = np.rint(lag[near]).astype(np.int64)
    ring_pairs = np.bincount(ring, pairs[near])
    rho = np.bincount(ring, sums[near]) / np.maximum(ring_pairs, 1) / variance
    faded = np.flatnonzero(rho < _NO_CORRELATION)
    end = int(faded[0]) if len(faded) else len(rho)
    area = float((rho * np.bincount(ring))[:end].sum())
    return math.sqrt(area / (2 * math.pi))


def correlation_time(series: NDArray[np.float64]) -> float:
    """Number of consecutive samples that tell as much as one independent one.

    Parameters
    ----------
    series
        Deviations from the mean, shape (samples, series); equally spaced. NaN where nothing is known.

    Returns
    -------
    float
        :math:`τ = 1 + 2 ∑_k ρ_k` up to the first lag k at which the correlation ρ is lost; at least 1.

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
    rho = (sums / pairs)[1:] / (sums[0] / pairs[0])
    faded = np.flatnonzero(rho < np.maximum(_NO_CORRELATION, _SCATTER / np.sqrt(pairs[1:])))
    return 1 + 2 * float(rho[: faded[0] if len(faded) else len(rho)].sum())


def is_too_short(series: NDArray[np.float64]) -> bool:
    """Whether samples are so few that `correlation_time` could find no correlation even in equal ones.

    Examples
    --------
    >>> is_too_short(np.zeros((2, 4))), is_too_short(np.zeros((2, 5)))
    (True, False)
    """
    known = np.isfinite(series)
    return bool(np.count_nonzero(known[1:] & known[:-1]) <= _SCATTER**2)


def block_length(tau: float, samples: int) -> int:
    """Samples per block of a series: twice its correlation time, or as :math:`(τ^2 n)^{1/3}` grows for long ones.

    Examples
    --------
    >>> block_length(1.0, 20), block_length(10.0, 500)
    (1, 37)
    """
    if tau < 1.5:  # no correlation worth the name
        return 1
    return min(samples, math.ceil(max(2 * tau, math.cbrt(tau * tau * samples))))
