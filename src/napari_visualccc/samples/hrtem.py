"""HRTEM of a lithium interphase: crystalline grains in an amorphous matrix beside vacuum.

Each grain is a crystal seen along a low-index zone axis, turned at random in the plane, its projected potential the
sum of its kinematic reflections; the microscope is a weak-phase-object contrast transfer with partial coherence.

References
----------
.. [1] Kirkland, "Advanced Computing in Electron Microscopy", Springer 2020, doi 10.1007/978-3-030-33260-0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import Reflection
from napari_visualccc.core.params import Options, option
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.samples.crystals import CRYSTALS, ZONES
from napari_visualccc.samples.physics import contrast_transfer, detect, drift_blur, frequencies, random_field
from napari_visualccc.samples.sample import Sample, colour

if TYPE_CHECKING:
    import pandas as pd

CLASS_NAMES = {0: "vacuum", 1: "amorphous", 2: "Li", 3: "Li2O", 4: "LiF", 5: "Li2CO3"}
COLOURS = {1: colour("BBBBBB"), 2: colour("4477AA"), 3: colour("EE6677"), 4: colour("228833"), 5: colour("CCBB44")}
_PHASES = ("Li", "Li2O", "LiF", "Li2CO3")
# Relative modulation of the projected potential: lithium scatters least.
_STRENGTH = {"Li": 0.8, "Li2O": 1.0, "LiF": 1.0, "Li2CO3": 1.0}
_AMORPHOUS_STRENGTH = 0.6
_AMORPHOUS_LENGTH_NM = 0.12
# Electrons lost to large angles where the specimen has its full thickness.
_ABSORBED = 0.18


@dataclass(frozen=True)
class HrtemOptions(Options):
    """What is imaged, and how."""

    size: int = option(1024, label="Size", help="Edge of the image.", minimum=32, maximum=8192, unit="px")
    pixel_nm: float = option(
        0.025, label="Pixel size", help="Must sample the lattice.", minimum=0.005, maximum=0.055, step=0.005, unit="nm"
    )
    count: int = option(1, label="Images", help="Planes of the stack, each of another place.", minimum=1, maximum=1000)
    grain_nm: float = option(
        6.0, label="Grain size", help="Mean diameter of grains.", minimum=1.0, maximum=100.0, unit="nm"
    )
    dose: float = option(
        800.0, label="Dose", help="Electrons per square ångström.", minimum=1.0, maximum=1e6, step=100.0, unit="e/Å²"
    )
    contrast: float = option(0.12, label="Lattice contrast", help="Relative.", minimum=0.0, maximum=1.0, step=0.02)
    voltage_kv: float = option(300.0, label="Voltage", help="Of the gun.", minimum=20.0, maximum=1500.0, unit="kV")
    defocus_nm: float = option(
        6.0, label="Defocus", help="Positive is underfocus.", minimum=-2000.0, maximum=2000.0, unit="nm"
    )
    cs_mm: float = option(0.003, label="Cs", help="Spherical aberration.", minimum=-5.0, maximum=5.0, unit="mm")
    focal_spread_nm: float = option(
        2.0, label="Focal spread", help="Temporal coherence.", minimum=0.0, maximum=50.0, unit="nm"
    )
    convergence_mrad: float = option(
        0.2, label="Convergence", help="Semi-angle of illumination.", minimum=0.0, maximum=10.0, unit="mrad"
    )
    drift_nm: float = option(
        0.03, label="Drift", help="During the exposure.", minimum=0.0, maximum=10.0, step=0.01, unit="nm"
    )
    vacuum: bool = option(True, label="Vacuum", help="Let the specimen end inside the image.")
    seed: int = option(0, label="Seed", help="Same seed, same image.", minimum=0, maximum=2**31 - 1)


def hrtem(options: HrtemOptions | None = None, *, progress: Progress | None = None) -> Sample:
    """Simulate HRTEM images of an interphase.

    Returns
    -------
    Sample
        Labels as in `CLASS_NAMES`. The table has a row per grain: plane, grain, phase, zone axis, orientation of the
        strongest reflection, its spacing and hkl, all spacings that show, and the area.
    """
    options = options or HrtemOptions()
    shape = (options.count, options.size, options.size)
    image, labels = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    rows: list[dict[str, Any]] = []
    for plane in silent(progress).steps(range(options.count), message="simulating HRTEM"):
        image[plane], labels[plane], found = _plane(options, random_generator(options.seed, 20, plane), plane)
        rows += found
    size = PixelSize(options.pixel_nm, options.pixel_nm, "nm")
    about = {"options": options.as_dict()}
    return Sample("HRTEM interphase", image, labels, CLASS_NAMES, COLOURS, size, _table(rows), about=about)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    columns = ["plane", "grain", "phase", "zone", "orientation_deg", "d_nm", "hkl", "d_spacings_nm", "area_nm2"]
    return pd.DataFrame(rows, columns=columns)


def _plane(
    options: HrtemOptions, rng: np.random.Generator, plane: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], list[dict[str, Any]]]:
    shape = (options.size, options.size)
    pixel = options.pixel_nm
    thickness = _thickness(options, rng)
    grains = _grains(options, rng) * (thickness > 0)
    labels = np.where(thickness > 0, 1, 0).astype(np.uint8)
    potential = _AMORPHOUS_STRENGTH * random_field(rng, shape, _AMORPHOUS_LENGTH_NM / pixel)
    order = rng.permutation(np.arange(grains.max()) % len(_PHASES))
    rows = []
    for grain in range(1, grains.max() + 1):
        places = np.nonzero(grains == grain)
        if not places[0].size:
            continue
        name = _PHASES[order[grain - 1]]
        zone = ZONES[name][rng.integers(len(ZONES[name]))]
        turn = rng.uniform(0, 2 * np.pi)
        reflections = _turned(CRYSTALS[name].reflections(zone, _finest(options)), turn)
        potential[places] = _STRENGTH[name] * _lattice(reflections, places, pixel, rng)
        labels[places] = 2 + _PHASES.index(name)
        strongest = reflections[0]
        rows.append(
            {
                "plane": plane,
                "grain": grain,
                "phase": name,
                "zone": "".join(str(n) for n in zone),
                "orientation_deg": float(np.rad2deg(np.arctan2(*strongest.vector)) % 180),
                "d_nm": strongest.d_nm,
                "hkl": " ".join(str(n) for n in strongest.hkl),
                "d_spacings_nm": sorted({round(r.d_nm, 5) for r in reflections}, reverse=True),
                "area_nm2": places[0].size * pixel**2,
            }
        )
    fy, fx = frequencies(shape, pixel)
    transfer = contrast_transfer(
        np.hypot(fy, fx),
        voltage_kv=options.voltage_kv,
        defocus_nm=options.defocus_nm,
        cs_mm=options.cs_mm,
        focal_spread_nm=options.focal_spread_nm,
        convergence_mrad=options.convergence_mrad,
    )
    contrast = np.fft.ifft2(np.fft.fft2(options.contrast * potential * thickness) * transfer).real
    expected = drift_blur((1 + contrast) * (1 - _ABSORBED * thickness), pixel, options.drift_nm, rng.uniform(0, 360))
    electrons = options.dose * (10 * pixel) ** 2
    return detect(rng, expected, electrons, gain=8.0), labels, rows


def _finest(options: HrtemOptions) -> float:
    """Smallest spacing that pixels (with a margin) and lens still carry."""
    return max(0.12, 2.2 * options.pixel_nm)


def _turned(reflections: list[Reflection], angle: float) -> list[Reflection]:
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return [Reflection(r.hkl, turn @ r.vector, r.amplitude, r.phase) for r in reflections]


def _lattice(
    reflections: list[Reflection], places: tuple[NDArray[np.intp], ...], pixel: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Projected potential of a crystal at some pixels, root mean square 1; the origin of the cell is random."""
    y, x = places[0] * pixel, places[1] * pixel
    origin = rng.uniform(0, 1, 2)
    total = np.zeros(y.shape)
    for reflection in reflections:
        ky, kx = reflection.vector
        total += reflection.amplitude * np.cos(
            2 * np.pi * (ky * (y - origin[0]) + kx * (x - origin[1])) + reflection.phase
        )
    return np.asarray(total / np.sqrt(sum(r.amplitude**2 for r in reflections) / 2))


def _thickness(options: HrtemOptions, rng: np.random.Generator) -> NDArray[np.float64]:
    """Relative thickness, 0 in vacuum to about 1: a wavy edge and a wedge behind it."""
    shape = (options.size, options.size)
    waves = 0.15 * random_field(rng, shape, options.size / 6)
    if not options.vacuum:
        return np.clip(0.85 + 0.5 * waves, 0.3, 1.2)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    depth = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(0.28, 0.38) + 0.3 * waves
    return np.where(depth > 0, np.clip(0.45 + 1.2 * depth, 0, 1.1), 0.0)


def _grains(options: HrtemOptions, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbered grains with amorphous matrix (0) between them: discs with wavy borders that do not touch."""
    extent = options.size * options.pixel_nm
    wanted = max(4, int(0.45 * extent**2 / (np.pi * options.grain_nm**2 / 4)))
    y, x = (axis * options.pixel_nm for axis in np.mgrid[: options.size, : options.size])
    wobble = 0.12 * options.grain_nm * random_field(rng, y.shape, options.grain_nm / options.pixel_nm / 3)
    grains = np.zeros(y.shape, np.int64)
    placed: list[tuple[float, float, float]] = []
    for _ in range(40 * wanted):
        if len(placed) == wanted:
            break
        radius = min(options.grain_nm, extent / 2) / 2 * rng.uniform(0.7, 1.3)
        cy, cx = rng.uniform(0, extent, 2)
        if all(np.hypot(cy - py, cx - px) > 1.1 * (radius + pr) for py, px, pr in placed):
            placed.append((cy, cx, radius))
            inside = np.hypot(y - cy, x - cx) + wobble < radius
            grains[inside & (grains == 0)] = len(placed)
    return grains
