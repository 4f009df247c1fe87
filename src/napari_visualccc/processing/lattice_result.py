"""Results of lattice analysis: the spectrum of a region, and the maps of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.colours import label_colours
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.results import Colour, Result, ResultLayer
from napari_visualccc.processing.matching import PhaseMatch, SpacingMatch
from napari_visualccc.processing.naming import Grain
from napari_visualccc.processing.peaks import Peaks
from napari_visualccc.processing.radial import RadialProfile
from napari_visualccc.processing.spectrum import Spectrum

if TYPE_CHECKING:
    import pandas as pd

Region = tuple[slice, slice]
UNKNOWN = "unknown"
_GREY: Colour = (0.6, 0.6, 0.6, 1.0)


@dataclass(frozen=True)
class SpectrumResult(Result):
    """Spots of one region, and the phases that they may be.

    Attributes
    ----------
    spectrum, peaks, profile
        Power spectrum, its spots, and its mean over rings.
    ranked
        All candidates, the best first.
    crystals
        Crystals that explain the spots together; their spot indices are those of `peaks`.
    near
        Per spot, phases with such a spacing: (phase, hkl, relative difference), nearest first.
    pixel_size
        Of the image.
    """

    spectrum: Spectrum
    peaks: Peaks
    profile: RadialProfile
    ranked: Sequence[PhaseMatch] = ()
    crystals: Sequence[PhaseMatch] = ()
    near: Sequence[Sequence[SpacingMatch]] = ()
    pixel_size: PixelSize = field(default_factory=PixelSize)

    @property
    def table(self) -> pd.DataFrame:
        """One row per spot, most significant first.

        Columns are ``label`` (from 1), ``d_nm``, ``d_error_nm`` (standard deviation from noise alone; ``_px`` if not
        calibrated), ``angle_deg`` (from +x towards +y), ``snr``, ``phase`` and ``hkl`` of the crystal that explains
        it, and ``matches``, all phases with such a spacing.
        """
        import pandas as pd

        unit = self.spectrum.length_unit
        named = {i: (c.phase, hkl) for c in reversed(self.crystals) for i, hkl in zip(c.spots, c.hkl, strict=True)}
        peaks = self.peaks
        count = range(len(peaks))
        return pd.DataFrame(
            {
                "label": np.arange(1, len(peaks) + 1),
                f"d_{unit}": peaks.spacing,
                f"d_error_{unit}": peaks.spacing_error,
                "angle_deg": peaks.angle_deg,
                "snr": peaks.snr,
                "phase": [named[i][0] if i in named else "" for i in count],
                "hkl": [hkl_text(named[i][1]) if i in named else "" for i in count],
                "matches": ["; ".join(self.matches(i)) for i in count],
            }
        )  # fmt: skip

    def matches(self, spot: int) -> list[str]:
        """Phases that a spot may be of, with indices: first what explains it together with others, then by spacing."""
        own = [(c.phase, c.hkl[c.spots.index(spot)]) for c in self.crystals if spot in c.spots]
        near = [(phase, hkl) for phase, hkl, _ in (self.near[spot] if self.near else ())]
        named = {phase for phase, _ in own}
        return [f"{p} {hkl_text(h)}" for p, h in [*own, *((p, h) for p, h in near if p not in named)]]

    @property
    def phases(self) -> pd.DataFrame:
        """One row per candidate, the best first: ``phase, log_odds, zone, scale, spots``."""
        import pandas as pd

        rows = [(m.phase, m.log_odds, hkl_text(m.zone), m.scale, len(m.spots)) for m in self.ranked]
        return pd.DataFrame(rows, columns=["phase", "log_odds", "zone", "scale", "spots"])

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Spots, candidates, radial profile."""
        return {"peaks": self.table, "candidates": self.phases, "radial": self.profile.table}


@dataclass(frozen=True)
class LatticeMap(Result):
    """Grains, phases and crystallinity of all planes.

    Attributes
    ----------
    grains
        Number of the grain, int32, shape of the source; 0 where there is no lattice. Numbers run over all planes.
    phase
        uint8, shape of the source: 0 none, 1 … the phases in the order of `phase_names`, the last one unknown crystals.
    confidence
        float32, 0 … 1: that the pixel belongs to this phase.
    prominence
        float32: power of the strongest fringes over noise in decibel; noise alone stays below some 13 dB.
    phase_names
        Name of each phase label from 1 on.
    found
        (plane, grain) of each number from 1 on.
    pixel_size
        Of the source.
    window_px
        Edge of the local windows.
    """

    grains: NDArray[np.int32]
    phase: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    prominence: NDArray[np.float32]
    phase_names: tuple[str, ...]
    found: Sequence[tuple[int, Grain]]
    pixel_size: PixelSize
    window_px: int

    @property
    def colours(self) -> dict[int, Colour]:
        """RGBA per phase label; unknown crystals are grey."""
        return label_colours(len(self.phase_names) - 1) | {len(self.phase_names): _GREY}

    @property
    def table(self) -> pd.DataFrame:
        """One row per grain.

        Columns are ``label``, ``plane``, ``phase``, ``probability`` (of the phase against all other candidates),
        ``zone``, the spacing ``d_nm`` (``d_px``) of its strongest fringes with ``d_error_…``, ``orientation_deg`` of
        that spot (from +x towards +y, -90 … 90), ``hkl``, ``spots``, ``snr``, the area and the place of its centre.
        """
        import pandas as pd

        size = self.pixel_size
        unit = "nm" if size.unit == "nm" else size.column_unit
        centres = _centres(self.grains, len(self.found))
        rows = [_row(number, plane, grain, unit) for number, (plane, grain) in enumerate(self.found, start=1)]
        columns = list(_row(0, 0, self.found[0][1], unit)) if self.found else _columns(unit)
        table = pd.DataFrame(rows, columns=columns)
        table[f"area_{size.column_unit}2"] = centres[:, 0] * size.area
        table[f"y_{size.column_unit}"] = centres[:, 1] * size.y
        table[f"x_{size.column_unit}"] = centres[:, 2] * size.x
        return table

    @property
    def phase_table(self) -> pd.DataFrame:
        """One row per phase: ``label, name, grains, pixels, area_fraction`` and the area."""
        import pandas as pd

        pixels = np.bincount(self.phase.ravel(), minlength=len(self.phase_names) + 1)[1:]
        names = [grain.match.phase if grain.match else UNKNOWN for _, grain in self.found]
        return pd.DataFrame(
            {
                "label": np.arange(1, len(self.phase_names) + 1),
                "name": self.phase_names,
                "grains": [names.count(name) for name in self.phase_names],
                "pixels": pixels,
                "area_fraction": pixels / self.phase.size,
                f"area_{self.pixel_size.column_unit}2": pixels * self.pixel_size.area,
            }
        )

    @property
    def crystalline_fraction(self) -> float:
        """Share of all pixels that lie in a grain."""
        return float(np.count_nonzero(self.grains) / self.grains.size)

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """Crystallinity, confidence, grains and phases."""
        return (
            ResultLayer(self.prominence, "image", "crystallinity"),
            ResultLayer(self.confidence, "image", "crystal-confidence"),
            ResultLayer(self.grains, "labels", "crystals", label_colours(len(self.found)), self.table),
            ResultLayer(self.phase, "labels", "crystal-phases", self.colours, self.phase_table),
        )

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Grains and phases."""
        return {"grains": self.table, "phases": self.phase_table}


def hkl_text(hkl: Sequence[int]) -> str:
    """Miller indices as text: ``"1 -1 0"``."""
    return " ".join(str(index) for index in hkl)


def _columns(unit: str) -> list[str]:
    return ["label", "plane", "phase", "probability", "zone", f"d_{unit}", f"d_error_{unit}", "orientation_deg", "hkl",
            "spots", "snr"]  # fmt: skip


def _row(number: int, plane: int, grain: Grain, unit: str) -> dict[str, Any]:
    peaks, match = grain.peaks, grain.match
    hkl = dict(zip(match.spots, match.hkl, strict=True)) if match else {}
    strongest = int(peaks.power.argmax())
    values = (
        number, plane, match.phase if match else UNKNOWN, grain.probability, hkl_text(match.zone) if match else "",
        float(peaks.spacing[strongest]), float(peaks.spacing_error[strongest]), float(peaks.angle_deg[strongest]),
        hkl_text(hkl.get(strongest, ())), len(peaks),
        float(peaks.snr[strongest]),
    )  # fmt: skip
    return dict(zip(_columns(unit), values, strict=True))


def _centres(labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Pixels and mean row and column of each label from 1 on, shape (count, 3)."""
    found = np.zeros((count, 3))
    for plane in labels.reshape(-1, *labels.shape[-2:]):
        rows, columns = np.nonzero(plane)
        of = plane[rows, columns] - 1
        for column, weight in enumerate((None, rows, columns)):
            found[:, column] += np.bincount(of, weight, count)
    found[:, 1:] /= np.maximum(found[:, :1], 1)
    return found
