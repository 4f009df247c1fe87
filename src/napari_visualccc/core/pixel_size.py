"""Physical sizes: from whatever a file says to nanometres, reciprocal nanometres or honest pixels.

Files write lengths as ``pm``, ``A``, ``µm``, ``n_m``, metres or nothing, with zero, negative or
10¹⁶-fold values among them. `read_scale` is the one place that understands them. Inside the package
a length is in ``nm``, a spatial frequency in ``1/nm``, an angle in ``mrad``, and an unknown one in ``px``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

PIXEL = "px"
NANOMETRE = "nm"
RECIPROCAL = "1/nm"

_LENGTHS_NM = {
    "fm": 1e-6, "pm": 1e-3, "a": 0.1, "å": 0.1, "ang": 0.1, "angstrom": 0.1, "angstroms": 0.1, "ångström": 0.1,
    "nm": 1.0, "n_m": 1.0, "nanometer": 1.0, "nanometre": 1.0, "nanometers": 1.0,
    "um": 1e3, "u_m": 1e3, "µm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometre": 1e3,
    "micrometers": 1e3, "mm": 1e6, "millimeter": 1e6, "millimetre": 1e6, "cm": 1e7, "centimeter": 1e7,
    "m": 1e9, "meter": 1e9, "metre": 1e9, "inch": 2.54e7, "in": 2.54e7,
}  # fmt: skip
_OTHERS = {
    "rad": ("mrad", 1e3), "mrad": ("mrad", 1.0), "µrad": ("mrad", 1e-3), "urad": ("mrad", 1e-3),
    "deg": ("mrad", 1e3 * math.pi / 180), "°": ("mrad", 1e3 * math.pi / 180),
    "ev": ("eV", 1.0), "kev": ("eV", 1e3), "mev": ("eV", 1e-3),
    "s": ("s", 1.0), "sec": ("s", 1.0), "ms": ("s", 1e-3), "µs": ("s", 1e-6), "us": ("s", 1e-6),
}  # fmt: skip
_NO_UNIT = {
    "", "[]", "none", "px", "pixel", "pixels", "<undefined>", "undefined", "dimensionless", "unitless", "1", "n/a",
}  # fmt: skip

# What an electron microscope can produce, with room on both sides: from a thousandth of an atom to a millimetre.
PLAUSIBLE = {NANOMETRE: (1e-5, 1e6), RECIPROCAL: (1e-8, 1e4), "mrad": (1e-9, 1e4)}


def canonical_unit(text: str | None) -> tuple[str, float] | None:
    """Translate a unit as files write it.

    Parameters
    ----------
    text
        Unit as found: ``"µm"``, ``"1 / nm"``, ``"nm^-1"``, ``"A"``, ``""``, None …

    Returns
    -------
    tuple or None
        ``(unit, factor)`` so that ``value × factor`` is in ``unit``, one of ``nm``, ``1/nm``, ``mrad``, ``eV``,
        ``s``, ``px``; None if the text is not a unit we know.

    Examples
    --------
    >>> canonical_unit("µm"), canonical_unit("1 / A"), canonical_unit("[]")
    (('nm', 1000.0), ('1/nm', 10.0), ('px', 1.0))
    >>> canonical_unit("furlong") is None
    True
    """
    unit = "" if text is None else str(text).strip().strip("\x00").replace("μ", "µ").replace("Å", "Å").lower()
    if unit in _NO_UNIT:
        return PIXEL, 1.0
    unit = unit.replace(" ", "")
    inverse = unit[2:].strip("()") if unit.startswith("1/") else None
    for suffix in ("^-1", "**-1", "^(-1)", "⁻¹", "-1"):
        if inverse is None and unit.endswith(suffix):
            inverse = unit[: -len(suffix)].strip("()")
    if inverse is not None:
        return (RECIPROCAL, 1 / _LENGTHS_NM[inverse]) if inverse in _LENGTHS_NM else None
    if unit in _LENGTHS_NM:
        return NANOMETRE, _LENGTHS_NM[unit]
    return _OTHERS.get(unit)


@dataclass(frozen=True)
class Axis:
    """One axis of an image: its name, length, and where its samples lie.

    The coordinate of sample ``i`` is ``offset + i · scale`` in ``unit``.

    Attributes
    ----------
    name
        ``"y"``, ``"x"``, ``"z"``, ``"time"`` … in the words of the file.
    size
        Number of samples.
    scale
        Distance between samples in ``unit``; positive.
    offset
        Coordinate of the first sample in ``unit``.
    unit
        ``"nm"``, ``"1/nm"``, ``"mrad"``, ``"eV"``, ``"s"`` or ``"px"``.
    """

    name: str
    size: int
    scale: float = 1.0
    offset: float = 0.0
    unit: str = PIXEL


def read_scale(scale: object, unit: str | None, offset: object = 0.0) -> tuple[float, float, str, str | None]:
    """Make sense of the scale that a file gives for one axis.

    Parameters
    ----------
    scale, unit, offset
        As found in the file, of any type.

    Returns
    -------
    scale : float
        In ``unit``; 1.0 if the file's is missing or impossible.
    offset : float
        In ``unit``; 0.0 if it is not finite or farther than a million pixels away.
    unit : str
        Canonical unit, ``"px"`` if unknown.
    note : str or None
        What was wrong with the file's scale, in words; None if nothing was.

    Examples
    --------
    >>> read_scale(250.0, "pm")
    (0.25, 0.0, 'nm', None)
    >>> read_scale(-1.0, "nm")
    (1.0, 0.0, 'px', 'pixel size -1 nm is not positive')
    """
    found = canonical_unit(unit)
    value = _number(scale)
    if value is None or not math.isfinite(value):
        return 1.0, 0.0, PIXEL, None if scale is None else f"pixel size {scale!r} is not a number"
    if found is None:
        return 1.0, 0.0, PIXEL, f"unit {unit!r} is not known"
    name, factor = found
    if value <= 0:
        return 1.0, 0.0, PIXEL, f"pixel size {value:g} {unit or ''}".rstrip() + " is not positive"
    converted = value * factor
    low, high = PLAUSIBLE.get(name, (0.0, math.inf))
    if not low <= converted <= high:
        return 1.0, 0.0, PIXEL, f"pixel size {value:.3g} {unit} cannot be true for an electron micrograph"
    if name == PIXEL:
        return 1.0, 0.0, PIXEL, None
    shift = (_number(offset) or 0.0) * factor
    # FEI diffraction files carry origins of -2.7e9 nm: a picture shown there is never found again.
    if not math.isfinite(shift) or abs(shift) > 1e6 * converted:
        shift = 0.0
    return converted, shift, name, None


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]  # whatever the file held
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class PixelSize:
    """Size of one pixel along Y and X.

    ::

          ◀── x ──▶
        ▲ ┌───────┐
        y │       │    area = y · x   (unit²)
        ▼ └───────┘

    Attributes
    ----------
    y, x
        Height and width of a pixel in ``unit``; positive.
    unit
        ``"nm"``, ``"1/nm"``, ``"mrad"``, or ``"px"`` when the image is not calibrated.

    Examples
    --------
    >>> PixelSize.of(2, 1, unit="A")
    PixelSize(y=0.2, x=0.1, unit='nm')
    >>> PixelSize().is_calibrated
    False
    """

    y: float = 1.0
    x: float = 1.0
    unit: str = PIXEL

    def __post_init__(self) -> None:
        if not (self.y > 0 and self.x > 0 and math.isfinite(self.y) and math.isfinite(self.x)):
            raise ValueError(f"a pixel size must be positive and finite, not {self.y} × {self.x} {self.unit}")

    @classmethod
    def of(cls, y: float, x: float | None = None, *, unit: str | None = NANOMETRE) -> PixelSize:
        """Pixel size from values in any unit; impossible values become plain pixels."""
        return cls.from_axes(
            Axis("y", 1, *_scale_and_unit(y, unit)),
            Axis("x", 1, *_scale_and_unit(y if x is None else x, unit)),
        )

    @classmethod
    def from_axes(cls, y: Axis, x: Axis) -> PixelSize:
        """Pixel size of the plane that two axes span.

        Axes of different kinds (a length and an energy, say) span no area: the answer is plain pixels.
        """
        if y.unit != x.unit or y.unit in (PIXEL, "eV", "s"):
            return cls()
        return cls(y.scale, x.scale, y.unit)

    @property
    def is_calibrated(self) -> bool:
        """True if the unit is a physical one."""
        return self.unit != PIXEL

    @property
    def is_square(self) -> bool:
        """True if height and width agree to 0.1 %."""
        return math.isclose(self.y, self.x, rel_tol=1e-3)

    @property
    def area(self) -> float:
        """Area of a pixel in unit²."""
        return self.y * self.x

    @property
    def edge(self) -> float:
        """Edge of a square pixel of the same area, in unit."""
        return math.sqrt(self.area)

    @property
    def area_unit(self) -> str:
        """``nm²``, ``px²`` …, as text for tables."""
        return f"({self.unit})²" if "/" in self.unit else f"{self.unit}²"

    @property
    def column_unit(self) -> str:
        """The unit as it stands in column names: ``nm``, ``per_nm``, ``px``."""
        return self.unit.replace("1/", "per_")

    def scaled(self, factor: float) -> PixelSize:
        """Pixel size after the image was resampled so that a pixel covers `factor` old ones."""
        return replace(self, y=self.y * factor, x=self.x * factor) if self.is_calibrated else self

    def __str__(self) -> str:
        if not self.is_calibrated:
            return "not calibrated (px)"
        if self.is_square:
            return f"{self.x:.4g} {self.unit}/px"
        return f"{self.y:.4g} × {self.x:.4g} {self.unit}/px (y × x)"


def _scale_and_unit(value: float, unit: str | None) -> tuple[float, float, str]:
    scale, offset, name, _ = read_scale(value, unit)
    return scale, offset, name
