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
