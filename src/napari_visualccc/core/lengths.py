"""A length as a person gives it: in pixels, or in the unit of the image where that is calibrated.

A recipe in nanometres means the same at every magnification; one in pixels means the same on every detector.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PIXEL, RECIPROCAL, PixelSize, canonical_unit

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


@dataclass(frozen=True)
class Length:
    """A number and its unit.

    Attributes
    ----------
    value
        In ``unit``.
    unit
        ``"px"``, ``"nm"``, ``"1/nm"`` or ``"mrad"``.

    Examples
    --------
    >>> Length.parse("0.2 µm"), Length.parse("3")
    (Length(value=200.0, unit='nm'), Length(value=3.0, unit='px'))
    >>> Length(5, "nm").pixels(PixelSize(0.5, 0.25, "nm"))
    (10.0, 20.0)
    """

    value: float
    unit: str = PIXEL

    @classmethod
    def parse(cls, text: object) -> Length:
        """Read ``"3"``, ``"3 px"``, ``"1.5nm"``, ``"0.2 µm"``, ``"2 A"``, ``"0.1 1/nm"``.

        Raises
        ------
        OptionError
            If it is no number with such a unit.
        """
        found = _NUMBER.match(str(text))
        unit = canonical_unit(found[2]) if found else None
        if found is None or unit is None or unit[0] not in (PIXEL, "nm", RECIPROCAL, "mrad"):
            raise OptionError(f"{str(text)!r} is not a length: give a number with px, nm or µm, such as 3px or 1.5nm")
        value = float(found[1]) * unit[1]
        if not math.isfinite(value):
            raise OptionError(f"{str(text)!r} is not a finite length")
        return cls(value, unit[0])

    def pixels(self, size: PixelSize) -> tuple[float, float]:
        """Pixels along y and x.

        Raises
        ------
        OptionError
            If the image is not calibrated in this unit.
        """
        if self.unit == PIXEL:
            return self.value, self.value
        if self.unit != size.unit:
            has = f"has pixels in {size.unit}" if size.is_calibrated else "has no pixel size"
            raise OptionError(
                f"a length of {self} was asked for, but the image {has}: set it, or give the length in px"
            )
        return self.value / size.y, self.value / size.x

    def __str__(self) -> str:
        return f"{self.value:g}{' ' if '/' in self.unit else ''}{self.unit}"


def read_pixel_size(text: str) -> PixelSize:
    """Size of a pixel as a person gives it: ``"0.35nm"``, ``"0.35nm,0.4nm"`` (y, x), ``"1px"`` where it is not known.

    Raises
    ------
    OptionError
        If it is nothing of that kind, or no electron micrograph can have such pixels.

    Examples
    --------
    >>> read_pixel_size("2 A"), read_pixel_size("1µm,2µm")
    (PixelSize(y=0.2, x=0.2, unit='nm'), PixelSize(y=1000.0, x=2000.0, unit='nm'))
    """
    lengths = [Length.parse(part) for part in text.split(",")]
    units = {length.unit for length in lengths}
    if len(lengths) > 2 or len(units) > 1:  # noqa: PLR2004 - y and x
        raise OptionError(f"{text!r} is no pixel size: give one length, or two of the same kind (y,x): 0.35nm,0.4nm")
    size = PixelSize.of(*(length.value for length in lengths), unit=lengths[0].unit)
    if not size.is_calibrated and not (units == {PIXEL} and all(length.value == 1 for length in lengths)):
        raise OptionError(f"a pixel of {text} cannot be true for an electron micrograph: say such as 0.35nm, or 1px")
    return size


def pixel_size_text(size: PixelSize) -> str:
    """What `read_pixel_size` reads as this size.

    Examples
    --------
    >>> pixel_size_text(PixelSize(0.35, 0.4, "nm")), pixel_size_text(PixelSize())
    ('0.35nm,0.4nm', '1px')
    """
    from numpy import format_float_positional

    space = " " if "/" in size.unit else ""
    values = (size.y,) if size.y == size.x else (size.y, size.x)
    # As many digits as it takes to get the same number back.
    return ",".join(format_float_positional(value, trim="-") + space + size.unit for value in values)
