"""Spots of a spectrum: found where noise would not reach, with positions finer than a bin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing.spectral_background import Rings, background, line_background, spread, threshold
from napari_visualccc.processing.spectrum import Spectrum

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

# Widths at which spots are sought, in bins: one lattice over the whole field is as sharp as the window allows, a grain
# of a quarter of the field four times wider.
_SCALES = (0.0, 1.0, 2.0)
_MARGIN = 40  # columns beyond the half plane that smoothing and lines reach into
_BEAM_BINS = 4.0  # nearer to the zero frequency a spot would be fewer than four fringes across the field
_CLOSEST_BINS = 3.0
# The background is known to some 10 %, which multiplies the rate of false alarms; measured on a thousand noise images.
_SAFETY = 0.1
_STREAK = 2.0  # a line with this much more noise than its surroundings is a streak; spots of other grains make less
# A spot of a grain falls off as its distance⁻³ (Porod's law for outlines); fainter maxima on that skirt belong to it.
_SKIRT_POWER = 3.0
_FINEST_BINS = 0.02  # accuracy of the interpolation for a perfect lattice


@dataclass(frozen=True)
class Peaks:
    """Spots, one of each ± pair, most significant first.

    Attributes
    ----------
    frequency
        (y, x) in the unit of the spectrum, x ≥ 0, shape (n, 2).
    error
        Standard deviation of the modulus of the frequency, from noise alone, shape (n,).
    snr
        Height above the local background in standard deviations of the background, shape (n,).
    power
        Power at the spot, background included, shape (n,).
    place
        Fractional row and column in ``Spectrum.power``, shape (n, 2).
    width
        Standard deviation of the spot in bins, shape (n,).
    """

    frequency: Floats
    error: Floats
    snr: Floats
    power: Floats
    place: Floats
    width: Floats

    def __len__(self) -> int:
        return len(self.snr)

    @property
    def modulus(self) -> Floats:
        """Length of each frequency."""
        return np.asarray(np.hypot(*self.frequency.T))

    @property
    def spacing(self) -> Floats:
        """Lattice spacing d = 1 / k."""
        return 1 / self.modulus

    @property
    def spacing_error(self) -> Floats:
        """Standard deviation of the spacing."""
        return self.error / self.modulus**2

    @property
    def angle_deg(self) -> Floats:
        """Direction of the frequency from +x towards +y (down in the image), in -90 … 90°."""
        return np.asarray(np.rad2deg(np.arctan2(self.frequency[:, 0], self.frequency[:, 1])))

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Peaks:
        """Only some of the spots."""
        return Peaks(
            self.frequency[which], self.error[which], self.snr[which], self.power[which], self.place[which],
            self.width[which],
        )  # fmt: skip


@dataclass(frozen=True)
class _Candidate:
    excess: Floats  # significance over threshold, > 1
    scale: NDArray[np.intp]
    row: NDArray[np.intp]
    column: NDArray[np.intp]  # of the half plane


def find_peaks(
    spectrum: Spectrum,
    *,
    false_alarms: float = 0.01,
    longest: float | None = None,
    shortest: float | None = None,
    most: int = 200,
) -> Peaks:
    """Find the spots of a power spectrum.

    Parameters
    ----------
    spectrum
        From `power_spectrum`.
    false_alarms
        Probability that an image of noise shows any spot.
    longest, shortest
        Range of spacings, in ``spectrum.length_unit``; all that the field allows by default.
    most
        Largest number of spots that are returned, the most significant ones.

    Notes
    -----
    The power is divided by its background and smoothed to several widths; a local maximum counts if it exceeds what
    the highest of that many noise bins would (`threshold`), also against the lines through it along both axes and
    towards the zero frequency: scan noise and the borders of the field make streaks there. Of maxima that share a
    spot's skirt the highest counts. Positions are those of a parabola through the logarithm of the power.
    """
    half = _HalfPlane(spectrum)
    searched = half.searched(longest, shortest)
    if not searched.any():
        return none_found()
    limits = [
        tuple(
            threshold(_SAFETY * false_alarms / len(_SCALES), int(searched.sum()), spectrum.window, s, axes)
            for axes in (2, 1)
        )
        for s in _SCALES
    ]
    smooth = [spread(half.ratio, scale) for scale in _SCALES]
    found = _candidates(half, smooth, limits, searched)
    kept = _distinct(half, smooth, found)
    return _refined(spectrum, half, smooth, found, kept[:most])


def none_found() -> Peaks:
    """No spots."""
    none = np.empty(0)
    return Peaks(np.empty((0, 2)), none, none, none, np.empty((0, 2)), none)


class _HalfPlane:
    """Power over background in the half x ≥ 0, with a margin of the other half."""

    def __init__(self, spectrum: Spectrum) -> None:
        rows, columns = spectrum.power.shape
        row0, column0 = (int(c) for c in spectrum.centre)
        self.margin = min(_MARGIN, column0)
        self.first = column0 - self.margin
        self.power = spectrum.power[:, self.first :]
        self.y = np.arange(rows, dtype=np.float32) - row0
        self.x = np.arange(columns - self.first, dtype=np.float32) - self.margin
        rings = Rings.of(self.power.shape, (row0, self.margin))
        self.radius = rings.radius
        self.step = spectrum.step
        self.background = background(self.power, rings)
        self.ratio = self.power / self.background
        self.ratio[self.radius < _BEAM_BINS - 1] = 0

    def searched(self, longest: float | None, shortest: float | None) -> NDArray[np.bool_]:
        """Bins in which spots are sought."""
        inside = (self.radius >= _BEAM_BINS) & (self.x >= 0)
        if longest is not None or shortest is not None:
            modulus = np.hypot(self.y[:, None] * self.step[0], self.x * self.step[1])
            inside &= modulus >= (1 / longest if longest else 0.0)
            inside &= modulus <= (1 / shortest if shortest else np.inf)
        inside[[0, -1]] = inside[:, -1] = False  # no neighbours to compare with
        return np.asarray(inside)


def _candidates(
    half: _HalfPlane, smooth: list[Plane], limits: list[tuple[float, ...]], searched: NDArray[np.bool_]
) -> _Candidate:
    parts: list[tuple[Floats, NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]] = []
    for number, (level, (limit, limit_on_line)) in enumerate(zip(smooth, limits, strict=True)):
        rows, columns = _summits(level, (level > limit) & searched)
        if not len(rows):
            continue
        streak = _streaks(half, level, np.stack([rows, columns], 1), number)
        excess = level[rows, columns] / np.where(streak > _STREAK, streak * limit_on_line, limit)
        parts.append((excess, np.full(len(rows), number), rows, columns))
    if not parts:
        return _Candidate(np.empty(0), *(np.empty(0, np.intp) for _ in range(3)))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(-joined[0], kind="stable")
    order = order[joined[0][order] > 1]
    return _Candidate(*(column[order] for column in joined))


def _summits(level: Plane, where: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the bins in `where`, none at the border, that are as high as all of their neighbours."""
    rows, columns = np.nonzero(where)
    around = [level[rows + y, columns + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    highest = level[rows, columns] >= np.max(around, axis=0)
    return rows[highest], columns[highest]


def _streaks(half: _HalfPlane, level: Plane, places: NDArray[np.intp], scale: int) -> Floats:
    """Highest noise on the lines through each place."""
    away = np.stack([half.y[places[:, 0]], half.x[places[:, 1]]], 1).astype(np.float64)
    away /= np.hypot(*away.T)[:, None]
    gap = 4 + int(3 * _SCALES[scale])
    highest = np.ones(len(places))
    for directions in (away, np.broadcast_to([1.0, 0.0], away.shape), np.broadcast_to([0.0, 1.0], away.shape)):
        highest = np.maximum(highest, line_background(level if scale else half.ratio, places, directions, gap))
    return highest


def _distinct(half: _HalfPlane, smooth: list[Plane], found: _Candidate) -> list[int]:
    """Candidates that are spots of their own, most significant first."""
    at = np.stack([half.y[found.row], half.x[found.column]], 1).astype(np.float64)
    power = np.array([smooth[s][r, c] for s, r, c in zip(found.scale, found.row, found.column, strict=True)])
    power = power * half.background[found.row, found.column]
    width = 1.0 + np.array(_SCALES)[found.scale]
    alive = np.ones(len(power), bool)
    kept = []
    for i in range(len(power)):
        if not alive[i]:
            continue
        kept.append(i)
        apart = np.minimum(np.hypot(*(at - at[i]).T), np.hypot(*(at + at[i]).T))  # from it or its mirror image
        skirt = power[i] * np.minimum(1, (width[i] / np.maximum(apart, 1e-9)) ** _SKIRT_POWER)
        alive &= (apart > _CLOSEST_BINS * np.maximum(width[i], width) / 1.5) & (power > skirt)
    return kept


def _refined(spectrum: Spectrum, half: _HalfPlane, smooth: list[Plane], found: _Candidate, kept: list[int]) -> Peaks:
    rows = list(_measured(half, smooth, found, kept))
    if not rows:
        return none_found()
    row, column, width, ratio, snr = np.array(rows).T
    place = np.stack([row, column + half.first], 1)
    frequency = np.stack(spectrum.frequency(*place.T), 1)
    flipped = frequency[:, 1] < 0
    frequency[flipped] *= -1
    place[flipped] = 2 * np.array(spectrum.centre) - place[flipped]
    direction = np.abs(frequency) / np.hypot(*frequency.T)[:, None]
    bin_size = np.hypot(direction[:, 0] * spectrum.step[0], direction[:, 1] * spectrum.step[1])
    error = bin_size * np.hypot(width / np.sqrt(2 * ratio), _FINEST_BINS)
    at = np.rint([row, column]).astype(int)
    return Peaks(frequency, error, snr, half.background[at[0], at[1]] * ratio, place, width)


def _measured(
    half: _HalfPlane, smooth: list[Plane], found: _Candidate, kept: list[int]
) -> Iterator[tuple[float, float, float, float, float]]:
    """Row, column, width, power over background and SNR of each spot."""
    for i in kept:
        scale, r, c = int(found.scale[i]), int(found.row[i]), int(found.column[i])
        part = (slice(r - 1, r + 2), slice(c - 1, c + 2))
        # Of the power, not of its ratio to the background, which is not flat.
        logs = np.log(np.maximum(smooth[scale][part], 1e-9) * half.background[part]).astype(np.float64)
        dy, sharp_y = _parabola(logs[:, 1])
        dx, sharp_x = _parabola(logs[1])
        # The variance of a spot seen smoothed is its own and that of the smoothing.
        variance = max(1 / max((sharp_y + sharp_x) / 2, 0.05) - _SCALES[scale] ** 2, 0.5)
        ratio = float(smooth[scale][r, c])
        yield r + dy, c + dx, float(np.sqrt(variance)), ratio, (ratio - 1) * (1 + 2.0 * _SCALES[scale])


def _parabola(three: Floats) -> tuple[float, float]:
    """Place of the maximum of a parabola through three values one apart, and its curvature."""
    curvature = 2 * three[1] - three[0] - three[2]
    if curvature <= 0:
        return 0.0, 0.0
    return float(np.clip((three[2] - three[0]) / (2 * curvature), -0.5, 0.5)), float(curvature)
