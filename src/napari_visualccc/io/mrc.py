"""MRC headers and memory maps: what RosettaSciIO does not check, or does not map.

References
----------
.. [1] Cheng et al., "MRC2014: extensions to the MRC format header", J. Struct. Biol. 192 (2015) 146,
   doi 10.1016/j.jsb.2015.04.002.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import FileFormatError

HEADER_BYTES = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}


@dataclass(frozen=True)
class Header:
    """Shape (z, y, x), type with byte order, and place of the pixels in the file."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    byte_order: str


def check_header(path: Path) -> Header:
    """Read and check the header of an MRC file.

    Raises
    ------
    FileFormatError
        If it is no MRC header, of a mode that we cannot show, or if the file is shorter than it says.
    """
    with path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES:
        raise FileFormatError(f"{path} is no MRC file: it has {len(raw)} bytes, the header alone needs {HEADER_BYTES}")
    orders = [order for order in "<>" if _plausible(np.frombuffer(raw[:16], f"{order}i4"))]
    if not orders:
        raise FileFormatError(f"{path} is no MRC file: its header gives no possible size and type of image")
    order = orders[0]
    nx, ny, nz, mode = (int(n) for n in np.frombuffer(raw[:16], f"{order}i4"))
    extended = int(np.frombuffer(raw[92:96], f"{order}i4")[0])
    header = Header((nz, ny, nx), np.dtype(f"{order}{_MODES[mode]}"), HEADER_BYTES + max(extended, 0), order)
    needed = header.offset + nz * ny * nx * header.dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        raise FileFormatError(f"{path} is cut short: {nz} × {ny} × {nx} pixels need {needed} bytes, it has {size}")
    return header


def _plausible(fields: NDArray[np.int32]) -> bool:
    return bool((fields[:3] > 0).all() and (fields[:3] < 1 << 24).all() and int(fields[3]) in _MODES)


def memory_map(path: Path) -> NDArray[Any]:
    """Pixels of an MRC file, mapped: nothing is read until it is looked at. Axes of length 1 are dropped."""
    header = check_header(path)
    pixels = np.memmap(path, header.dtype, "r", header.offset, header.shape)
    return pixels[0] if header.shape[0] == 1 else pixels
