"""Random microstructures: which kind of object, and which phase, each pixel belongs to.

A microstructure is painted like a picture: a ground (plain matrix, grains, layers, a network of two phases), and on it
populations of objects, later ones over earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from fields import Generator, band_noise, log_uniform, smooth_noise, warped
from numpy.typing import NDArray
from scipy import ndimage
from skimage import draw

KINDS = (
    "matrix", "round", "elongated", "irregular", "branched", "line", "layer", "network", "grain", "dot", "overlay",
)  # fmt: skip
MATRIX, ROUND, ELONGATED, IRREGULAR, BRANCHED, LINE, LAYER, NETWORK, GRAIN, DOT, OVERLAY = range(len(KINDS))
# Equivalent radius in pixels below which a particle is a dot.
DOT_RADIUS = 5.0

Mask = NDArray[np.bool_]


@dataclass
class Microstructure:
    """What is where.

    Attributes
    ----------
    phases
        Number of the phase of each pixel; pixels of one phase look alike. Shape (Y, X).
    kinds
        Position in `KINDS` of each pixel's object, shape (Y, X).
    objects
        Masks of the populations painted, latest last, with the number of their phase.
    """

    phases: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    objects: list[tuple[Mask, int]] = field(default_factory=list)

    def new_phase(self) -> int:
        """A number that no pixel has yet."""
        return int(self.phases.max()) + 1

    def paint(self, mask: Mask, kind: int) -> None:
        """Paint a population over what is there, as a phase of its own."""
        phase = self.new_phase()
        self.phases[mask] = phase
        self.kinds[mask] = kind
        self.objects.append((mask, phase))


def random_microstructure(rng: Generator, shape: tuple[int, int]) -> Microstructure:
    """A ground and up to three populations of objects."""
    made = Microstructure(np.zeros(shape, np.int32), np.zeros(shape, np.uint8))
    _GROUNDS[rng.choice(len(_GROUNDS), p=_GROUND_CHANCES)](rng, made)
    for number in rng.choice(len(_POPULATIONS), size=int(rng.choice([0, 1, 2, 3], p=[0.08, 0.37, 0.37, 0.18]))):
        _POPULATIONS[number](rng, made)
    return made


def _plain(rng: Generator, made: Microstructure) -> None:
    """Leave the matrix as it is."""


def _grains(rng: Generator, made: Microstructure) -> None:
    """Polygonal grains of a few orientations, each of which is a phase."""
    shape = made.phases.shape
    size = log_uniform(rng, 20, 150)
    count = max(3, round(shape[0] * shape[1] / size**2))
    seeds = np.ones(shape, bool)
    at = tuple(rng.integers(0, n, count) for n in shape)
    seeds[at] = False
    _, nearest = ndimage.distance_transform_edt(seeds, return_indices=True)
    number = np.zeros(shape, np.int32)
    number[at] = rng.integers(0, int(rng.integers(2, 5)), count)
    phases = number[tuple(nearest)]
    made.phases[:] = warped(rng, phases, 6, rng.uniform(0, 3))
    made.kinds[:] = GRAIN


def _layers(rng: Generator, made: Microstructure) -> None:
    """Two to five layers with wavy or rough outlines, mostly lying flat."""
    shape = made.phases.shape
    angle = rng.normal(0, 0.1) + rng.choice([0, 0, np.pi / 2, rng.uniform(0, np.pi)])
    y, x = np.indices(shape, np.float32)
    depth = y * np.cos(angle) + x * np.sin(angle)
    count = int(rng.integers(2, 6))
    cuts = np.sort(rng.uniform(np.quantile(depth, 0.05), np.quantile(depth, 0.95), count - 1))
    phases = np.zeros(shape, np.int32)
    for cut in cuts:
        rough = smooth_noise(rng, shape, log_uniform(rng, 3, 60)) * log_uniform(rng, 0.5, 15)
        phases += depth + rough > cut
    made.phases[:] = phases
    made.kinds[:] = np.where(phases == rng.integers(0, count), MATRIX, LAYER)


def _network(rng: Generator, made: Microstructure) -> None:
    """Two phases that run through each other (porous bodies, spinodal structures)."""
    noise = band_noise(rng, made.phases.shape, log_uniform(rng, 10, 80), rng.uniform(0.1, 0.5))
    inside = noise > np.quantile(noise, rng.uniform(0.3, 0.75))
    made.phases[:] = inside
    made.kinds[:] = np.where(inside, NETWORK, MATRIX)


def _particles(rng: Generator, made: Microstructure) -> None:
    """Particles of one shape family and one distribution of sizes; touching, overlapping or apart."""
    shape = made.phases.shape
    radius = log_uniform(rng, 2, 60)
    elongated = rng.random() < 0.35
    aspect = rng.uniform(2.5, 8) if elongated else rng.uniform(1, 1.5)
    spread = rng.uniform(0.05, 0.5)
    area = shape[0] * shape[1] * rng.uniform(0.02, 0.4)
    count = int(np.clip(area / (np.pi * radius**2), 2, 400))
    apart = rng.random() < 0.5
    crowd = smooth_noise(rng, shape, 60) if rng.random() < 0.4 else None
    corners, roughness = rng.choice([0, 0, 3, 4, 5, 6]), rng.uniform(0, 0.25) ** 1.5
    common_angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else None
    mask = np.zeros(shape, bool)
    small = np.zeros(shape, bool)
    for _ in range(count):
        own = radius * np.exp(rng.normal(0, spread))
        centre = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        if crowd is not None and crowd[int(centre[0]), int(centre[1])] < 0:
            continue
        angle = rng.uniform(0, np.pi) if common_angle is None else common_angle + rng.normal(0, 0.1)
        y, x = _outline(rng, own, aspect, angle, int(corners), roughness)
        rows, columns = draw.polygon(y + centre[0], x + centre[1], shape)
        if apart and mask[rows, columns].any():
            continue
        mask[rows, columns] = True
        if own < DOT_RADIUS and not elongated:
            small[rows, columns] = True
    made.paint(mask, ELONGATED if elongated else ROUND)
    made.kinds[small] = DOT


def _outline(
    rng: Generator, radius: float, aspect: float, angle: float, corners: int, roughness: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outline of a particle: an ellipse or rounded polygon, with bumps."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    r = np.ones_like(t)
    if corners:
        sector = 2 * np.pi / corners
        r = np.cos(sector / 2) / np.cos((t + rng.uniform(0, sector)) % sector - sector / 2)
        r = r ** rng.uniform(0.5, 1)
    for order in range(2, 9):
        r = r + roughness * rng.normal() / order**0.5 * np.cos(order * t + rng.uniform(0, 2 * np.pi))
    r = np.maximum(r, 0.2) * radius
    along, across = r * np.cos(t) * aspect**0.5, r * np.sin(t) / aspect**0.5
    return along * np.sin(angle) + across * np.cos(angle), along * np.cos(angle) - across * np.sin(angle)


def _dots(rng: Generator, made: Microstructure) -> None:
    """Tiny precipitates in clouds, often between larger objects only."""
    shape = made.phases.shape
    radius = rng.uniform(1, DOT_RADIUS)
    count = int(rng.integers(20, 500))
    cloud = smooth_noise(rng, shape, log_uniform(rng, 15, 80)) > rng.normal(0, 0.7)
    ground = made.phases == made.phases[tuple(rng.integers(0, n) for n in shape)]
    mask = np.zeros(shape, bool)
    for y, x in zip(rng.uniform(0, shape[0], count), rng.uniform(0, shape[1], count), strict=True):
        if not (cloud[int(y), int(x)] and ground[int(y), int(x)]):
            continue
        rows, columns = draw.disk((y, x), max(0.8, radius * np.exp(rng.normal(0, 0.25))), shape=shape)
        mask[rows, columns] = True
    made.paint(mask, DOT)


def _irregular(rng: Generator, made: Microstructure) -> None:
    """Irregular islands: agglomerates, coarsened precipitates."""
    shape = made.phases.shape
    scale = log_uniform(rng, 4, 40)
    noise = smooth_noise(rng, shape, scale, rng.uniform(1, 2.5), rng.uniform(0, np.pi))
    noise += rng.uniform(0, 0.25) * smooth_noise(rng, shape, max(1.0, scale / 6))
    made.paint(noise > np.quantile(noise, rng.uniform(0.5, 0.95)), IRREGULAR)


def _branches(rng: Generator, made: Microstructure) -> None:
    """Dendrites: stems with side branches with side branches."""
    shape = made.phases.shape
    mask = np.zeros(shape, bool)
    width = log_uniform(rng, 2, 14)
    for _ in range(int(rng.integers(1, 5))):
        start = np.array([rng.uniform(0, n) for n in shape])
        _grow(rng, mask, start, rng.uniform(0, 2 * np.pi), rng.uniform(80, 350), width, 2)
    made.paint(mask, BRANCHED)


def _grow(
    rng: Generator, mask: Mask, start: NDArray[np.float64], angle: float, length: float, width: float, depth: int
) -> None:
    place, step = start.copy(), max(3.0, width)
    for number in range(int(length / step)):
        angle += rng.normal(0, 0.12)
        ahead = place + step * np.array([np.sin(angle), np.cos(angle)])
        taper = width * (1 - 0.6 * number * step / length)
        _segment(mask, place, ahead, taper)
        place = ahead
        if depth and rng.random() < 0.35:
            side = rng.choice([-1, 1]) * rng.uniform(0.6, 1.3)
            _grow(rng, mask, place, angle + side, length * rng.uniform(0.2, 0.45), taper * 0.75, depth - 1)


def _segment(mask: Mask, start: NDArray[np.float64], stop: NDArray[np.float64], width: float) -> None:
    along = stop - start
    along /= max(float(np.hypot(*along)), 1e-9)
    across = np.array([-along[1], along[0]]) * max(width, 1.0) / 2
    corners = np.array([start + across, stop + across, stop - across, start - across])
    rows, columns = draw.polygon(corners[:, 0], corners[:, 1], mask.shape)
    mask[rows, columns] = True
    rows, columns = draw.disk(stop, max(width / 2, 0.8), shape=mask.shape)
    mask[rows, columns] = True


def _lines(rng: Generator, made: Microstructure) -> None:
    """Cracks and boundary films: long, thin, kinked, sometimes broken, often inside one phase only."""
    shape = made.phases.shape
    mask = np.zeros(shape, bool)
    width = log_uniform(rng, 1, 5)
    common = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(1, 9))):
        place = np.array([rng.uniform(0, n) for n in shape])
        angle = common + rng.normal(0, 0.4)
        home = made.phases[int(place[0]), int(place[1])] if rng.random() < 0.6 else None
        whole = rng.random() < 0.6
        for _ in range(int(rng.integers(5, 60))):
            angle += rng.normal(0, 0.3)
            ahead = place + 6 * np.array([np.sin(angle), np.cos(angle)])
            if not all(0 <= c < n for c, n in zip(ahead, shape, strict=True)):
                break
            if home is not None and made.phases[int(ahead[0]), int(ahead[1])] != home:
                break
            if whole or rng.random() < 0.7:
                _segment(mask, place, ahead, width * rng.uniform(0.6, 1.4))
            place = ahead
    made.paint(mask, LINE)


def _rims(rng: Generator, made: Microstructure) -> None:
    """A shell of another phase around objects: oxides, interphases."""
    if not made.objects:
        return
    mask, _ = made.objects[-1]
    distance = ndimage.distance_transform_edt(~mask)
    thickness = log_uniform(rng, 2, 16) * (1 + 0.3 * smooth_noise(rng, mask.shape, 15))
    made.paint((distance > 0) & (distance <= thickness), LAYER)


Painter = Callable[[Generator, Microstructure], None]
_GROUNDS: tuple[Painter, ...] = (_plain, _grains, _layers, _network)
_GROUND_CHANCES = (0.4, 0.15, 0.25, 0.2)
_POPULATIONS: tuple[Painter, ...] = (_particles, _particles, _dots, _irregular, _branches, _lines, _rims)
