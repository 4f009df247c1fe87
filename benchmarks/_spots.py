"""Spectra of simulated interphases with the spots that are in them, and how found spots are counted against those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing import Spectrum, power_spectrum
from napari_visualccc.processing.radial import radial_profile
from napari_visualccc.samples import CRYSTALS, ZONES, HrtemOptions, hrtem

EDGE = 512  # of the regions, quarters of the simulated images
# A spot is there to be found if its power without noise would be so many times the noise at its place.
VISIBLE = 10.0
TOLERANCE_BINS = 3.0
DEFAULT_DOSE = HrtemOptions().dose
PUBLISHED_GFLOP = 3079.0  # of the network of arXiv 2410.01928
# Spectrum, background and smoothing of a 512² region: a real FFT and some 200 operations per pixel.
CLASSICAL_GFLOP = float((2.5 * EDGE**2 * np.log2(EDGE**2) + 200 * EDGE**2) / 1e9)
_CLEAR = 1e5  # electrons per Å² of images that are as good as free of noise


@dataclass(frozen=True)
class Example:
    """A region.

    Attributes
    ----------
    image
        Grey levels, shape (512, 512).
    spectrum
        Its power spectrum.
    true
        Bins from the middle (y, x) of the spots that stand out of the noise, one of each pair, shape (n, 2).
    """

    image: NDArray[np.uint16]
    spectrum: Spectrum
    true: NDArray[np.float64]


def examples(seeds: Iterable[int], dose: float = DEFAULT_DOSE) -> Iterator[Example]:
    """The four quarters of the simulated image of each seed."""
    for seed in seeds:
        sample = hrtem(HrtemOptions(seed=seed, dose=dose))
        clean = hrtem(HrtemOptions(seed=seed, dose=_CLEAR))
        for top, left in ((0, 0), (0, EDGE), (EDGE, 0), (EDGE, EDGE)):
            part = (0, slice(top, top + EDGE), slice(left, left + EDGE))
            noisy = power_spectrum(sample.image[part], sample.pixel_size)
            pure = power_spectrum(clean.image[part] * (dose / _CLEAR), sample.pixel_size)
            noise = radial_profile(noisy).median / np.log(2)
            true = _true_spots(sample, noisy.step, pure.power, noise)
            yield Example(sample.image[part], noisy, np.array(true).reshape(-1, 2))


def _true_spots(sample, step, pure, noise) -> list[NDArray[np.float64]]:  # type: ignore[no-untyped-def]
    found: list[NDArray[np.float64]] = []
    for row in sample.table.itertuples():
        reflections = CRYSTALS[row.phase].reflections(tuple(int(n) for n in _zone(row.phase, row.zone)), 0.12)
        first = next(r for r in reflections if r.hkl == tuple(int(n) for n in row.hkl.split()))
        turn = np.deg2rad(row.orientation_deg) - np.arctan2(*first.vector)
        for reflection in reflections:
            y, x = reflection.vector
            place = np.array([y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)]) / step
            if np.abs(place).max() > 250:
                continue
            r, c = np.rint(place).astype(int) + 256
            around = pure[max(r - 2, 0) : r + 3, max(c - 2, 0) : c + 3]
            ring = min(int(np.hypot(*place)), len(noise) - 1)
            bright = around.max() >= VISIBLE * noise[ring]
            # Whatever is bright there must have its summit there: else it is the skirt of another grain's spot.
            summit = np.unravel_index(around.argmax(), around.shape)
            own = 0 < summit[0] < around.shape[0] - 1 and 0 < summit[1] < around.shape[1] - 1
            alone = all(min(np.hypot(*(place - o)), np.hypot(*(place + o))) > TOLERANCE_BINS for o in found)
            if bright and own and alone:
                found.append(place)
    return found


def _zone(phase: str, text: str) -> tuple[int, ...]:
    return next(zone for zone in ZONES[phase] if "".join(str(n) for n in zone) == text)


@dataclass
class Tally:
    """Spots found, missed and made up, over many spectra."""

    found: int = 0
    missed: int = 0
    false: int = 0

    def add(self, true: NDArray[np.float64], seen: NDArray[np.float64]) -> None:
        """Count the spots of one spectrum; of both, one of each pair, in bins from the middle."""
        apart = [np.minimum(np.hypot(*(seen - spot).T), np.hypot(*(seen + spot).T)) for spot in true]
        near = np.array(apart).reshape(len(true), len(seen)) <= TOLERANCE_BINS
        found = int(near.any(1).sum())
        self.found += found
        self.missed += len(true) - found
        self.false += int((~near.any(0)).sum())

    @property
    def dice(self) -> float:
        """Of spots."""
        return 2 * self.found / max(2 * self.found + self.missed + self.false, 1)

    def as_dict(self) -> dict[str, Any]:
        """Counts, recall and precision."""
        return {
            **vars(self),
            "recall": self.found / max(self.found + self.missed, 1),
            "precision": self.found / max(self.found + self.false, 1),
        }
