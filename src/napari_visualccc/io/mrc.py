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
# Mode 0 is signed or unsigned, see `_bytes_are_signed`.
_MODES = {0: "u1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_IMOD_STAMP = 1146047817
_IMOD_SIGNED_BIT = 1


@dataclass(frozen=True)
class Header:
    """Shape (z, y, x), type with byte order, and place of the pixels in the file.

    `is_volume` tells a volume, whose planes lie a distance apart, from a series of images.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    byte_order: str
    is_volume: bool


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
    fields = np.frombuffer(raw, f"{order}i4")
    nx, ny, nz, mode = (int(n) for n in fields[:4])
    kind = "i1" if mode == 0 and _bytes_are_signed(raw, order) else _MODES[mode]
    offset = HEADER_BYTES + max(int(fields[23]), 0)
    group = int(fields[22]) & 0xFFFF
    header = Header((nz, ny, nx), np.dtype(f"{order}{kind}"), offset, order, 1 <= group <= 230)
    needed = header.offset + nz * ny * nx * header.dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        raise FileFormatError(f"{path} is cut short: {nz} × {ny} × {nx} pixels need {needed} bytes, it has {size}")
    return header


def _plausible(fields: NDArray[np.int32]) -> bool:
    return bool((fields[:3] > 0).all() and (fields[:3] < 1 << 24).all() and int(fields[3]) in _MODES)


def _bytes_are_signed(raw: bytes, order: str) -> bool:
    """Whether bytes run from -128 to 127: programs before MRC2014 meant 0 to 255.

    IMOD says which in a flag; otherwise the smallest and largest value of the header decide, if they can.
    """
    stamp, flags = (int(n) for n in np.frombuffer(raw[152:160], f"{order}i4"))
    if stamp == _IMOD_STAMP:
        return bool(flags & _IMOD_SIGNED_BIT)
    low, high = (float(n) for n in np.frombuffer(raw[76:84], f"{order}f4"))
    return low < 0 and high <= 127


def read_mrc(path: Path) -> dict[str, Any]:
    """Entry of an MRC file as RosettaSciIO gives it, with the pixels mapped and the planes of a volume in nm.

    A 4-D set whose scan RosettaSciIO knows from the files beside it (Direct Electron) keeps the shape it finds.
    """
    from rsciio.mrc import file_reader

    header = check_header(path)
    entry: dict[str, Any] = file_reader(str(path), lazy=True, endianness=header.byte_order)[0]
    pixels = memory_map(path, header)
    if entry["data"].shape == pixels.shape:
        entry["data"] = pixels
    elif header.dtype.itemsize == 1:
        entry["data"] = entry["data"].astype(header.dtype)
    for axis in entry["axes"]:
        if axis["name"] == "z" and header.is_volume:
            axis["units"] = "nm"
    return entry


def memory_map(path: Path, header: Header | None = None) -> NDArray[Any]:
    """Pixels of an MRC file, mapped: nothing is read until it is looked at. Axes of length 1 are dropped."""
    header = check_header(path) if header is None else header
    pixels = np.memmap(path, header.dtype, "r", header.offset, header.shape)
    shape = tuple(n for n in header.shape if n != 1)
    return pixels.reshape(shape) if len(shape) >= 2 else pixels[0]
