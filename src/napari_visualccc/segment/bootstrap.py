"""95 % intervals of ratios measured on correlated data: blocks are drawn anew instead of pixels or points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
# Two blocks tell next to nothing: Student's t is 12.7, for three 4.3.
_FEWEST_BLOCKS = 3
# Of fewer, all samples lie within the range of the blocks, which holds the truth in 1 - 2^(1-n) of all cases at best:
# 88 % for four.
_FEWEST_FOR_PERCENTILES = 5
# Blocks of at least so many correlation lengths are nearly independent (neighbours correlate by about 0.1).
_LENGTHS_PER_BLOCK = 4.0
_RESAMPLES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """Two-sided 95 % interval per column; NaN where there are fewer than three blocks.

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
    *expanded percentile* interval, which stays within the range of the data. That range is too narrow for three or
    four blocks, whose interval is the symmetric one of Student with the standard error of a ratio estimate.

    References
    ----------
    Künsch, H. R., "The jackknife and the bootstrap for general stationary observations", Ann. Statist. 17 (1989)
    1217-1241, https://doi.org/10.1214/aos/1176347265.
    Cochran, W. G., "Sampling Techniques", 3rd ed., Wiley 1977, section 6.4 (standard error of a ratio).
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
    if blocks < _FEWEST_BLOCKS or resamples < 1:
        nothing = np.full(columns, np.nan)
        return Interval(nothing, nothing)
    student = float(stdtrit(blocks - 1, (1 + CONFIDENCE) / 2))
    if blocks < _FEWEST_FOR_PERCENTILES:
        ratio = sums.sum(axis=0) / weights.sum()
        scatter = (sums - ratio * weights[:, None]).std(axis=0, ddof=1)
        half = student * scatter * math.sqrt(blocks) / weights.sum()
        return Interval(ratio - half, ratio + half)
    share = np.full(blocks, 1 / blocks)
    drawn = np.empty((resamples, columns))
    step = max(1, _RESAMPLES_AT_ONCE // blocks)
    for first in range(0, resamples, step):
        last = min(first + step, resamples)
        times = rng.multinomial(blocks, share, last - first).astype(np.float64)
        drawn[first:last] = (times @ sums) / (times @ weights)[:, None]
    reach = math.sqrt(blocks / (blocks - 1)) * student
    low, high = np.quantile(drawn, [float(ndtr(-reach)), float(ndtr(reach))], axis=0)
    return Interval(low, high)


def block_edge(length: float, field_edge: float) -> float:
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
    return max(math.sqrt(length * field_edge), _LENGTHS_PER_BLOCK * length)


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
