"""Any image array as a row of planes, read lazily.

``(Y, X)``, ``(N, Y, X)``, ``(…, Y, X)``, RGB(A), bool, integers of any width and byte order, floats, complex, NumPy,
memory map, dask or zarr: everything downstream sees ``(N, Y, X)`` and reads one plane or one region at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError, OptionError

Region = tuple[slice, slice]
WHOLE: Region = (slice(None), slice(None))

# Values this large are no signal but what programs write where there is none (±3.4e38, 9.97e36, 1e30 in float files).
NO_DATA_FROM = 1e30
# ITU-R BT.709 luma, as scikit-image's rgb2gray uses it.
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721])


class Planes:
    """Planes of an image, read one at a time.

    Parameters
    ----------
    data
        Array of shape ``(…, Y, X)``, or ``(…, Y, X, 3|4)`` for RGB(A). Anything with ``shape``, ``dtype`` and slicing:
        NumPy, memory map, dask, zarr, or a nested sequence.
    rgb
        Whether the last axis holds colours. None guesses: it has length 3 or 4 and the axes before it are longer.
    name
        Name of the file or layer, for messages.

    Raises
    ------
    InputError
        If the array has fewer than two dimensions, no pixels, or no numbers in it.

    Examples
    --------
    >>> planes = Planes(np.ones((5, 8, 9), np.uint16))
    >>> len(planes), planes.shape, planes.plane(2).dtype
    (5, (5, 8, 9), dtype('float32'))
    """

    def __init__(self, data: Any, *, rgb: bool | None = None, name: str = "the image") -> None:
        if not (hasattr(data, "shape") and hasattr(data, "dtype")):
            data = np.asarray(data)
        data, structured = plain_colours(data)
        self.name = name
        self.is_rgb = structured or (_looks_rgb(data.shape) if rgb is None else rgb)
        spatial = data.shape[:-1] if self.is_rgb else data.shape
        if len(spatial) < 2:
            raise InputError(f"{name} has shape {tuple(data.shape)}: an image needs at least two axes, (Y, X)")
        if 0 in spatial:
            raise InputError(f"{name} is empty: its shape is {tuple(data.shape)}")
        if data.dtype.kind not in "buifc":
            raise InputError(f"{name} holds values of type {data.dtype}, which are not numbers")
        self._data = data
        self.leading = tuple(int(n) for n in spatial[:-2])
        self.shape = (int(np.prod(self.leading, dtype=np.int64)), int(spatial[-2]), int(spatial[-1]))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.shape[1:]

    @property
    def plane_pixels(self) -> int:
        """Pixels in one plane."""
        return self.shape[1] * self.shape[2]

    @property
    def source(self) -> Any:
        """The array behind the planes."""
        return self._data

    @property
    def in_memory(self) -> bool:
        """True if reading a region costs no more than copying it (NumPy arrays and memory maps)."""
        return isinstance(self._data, np.ndarray)

    @property
    def size(self) -> int:
        """Pixels in all planes together."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that `read` gives: the source's own, in native byte order."""
        dtype = np.dtype(self._data.dtype)
        if dtype.kind == "b":
            return np.dtype(np.uint8)
        if dtype.kind == "c":
            return np.dtype(np.float32 if dtype.itemsize <= 8 else np.float64)
        native: np.dtype[Any] = dtype.newbyteorder("=")
        return native

    @property
    def is_integer(self) -> bool:
        """True if the values are whole numbers."""
        return self.dtype.kind in "ui"

    def read(self, index: int, region: Region = WHOLE) -> NDArray[Any]:
        """Values of a plane in their own type.

        Colours come as luminance in the source's type (grey RGB gives back its grey exactly), complex values as
        amplitude, bool as 0 and 1.

        Parameters
        ----------
        index
            Number of the plane, 0 … N - 1.
        region
            Slices (y, x); the whole plane by default.
        """
        values = np.asarray(self._data[(*self.place(index), *region)])
        if values.dtype.kind == "c":
            values = np.abs(values)
        if self.is_rgb:
            values = _luminance(values)
        return np.asarray(values, self.dtype)

    def plane(self, index: int, region: Region = WHOLE) -> NDArray[np.float32]:
        """Values of a plane as float32, NaN where the source is not finite, or as large as `NO_DATA_FROM`."""
        with np.errstate(over="ignore"):
            values: NDArray[np.float32] = self.read(index, region).astype(np.float32)
        values[~(np.abs(values) < NO_DATA_FROM)] = np.nan
        return values

    def place(self, index: int) -> tuple[int, ...]:
        """Where a plane stands along the leading axes of the source."""
        return tuple(int(i) for i in np.unravel_index(index, self.leading)) if self.leading else ()

    def fold(self, result: NDArray[Any]) -> NDArray[Any]:
        """Give a result of shape ``(N, Y, X)`` the leading axes of the source back."""
        return result.reshape(self.leading + self.plane_shape)

    def only(self, index: int) -> Planes:
        """Planes holding just the plane `index`.

        Raises
        ------
        OptionError
            If there is no such plane.
        """
        if not 0 <= index < len(self):
            raise OptionError(f"{self.name} holds the planes 0 … {len(self) - 1}; there is no {index}")
        return Planes(self._data[self.place(index)], rgb=self.is_rgb, name=self.name)


def as_planes(images: Any, *, rgb: bool | None = None, name: str = "the image") -> Planes:
    """Planes of an array; planes are given back as they are."""
    return images if isinstance(images, Planes) else Planes(images, rgb=rgb, name=name)


def _looks_rgb(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4


def plain_colours(data: Any) -> tuple[Any, bool]:
    """RosettaSciIO gives colour as a structured dtype (R, G, B[, A]): view it as a trailing axis."""
    names = getattr(data.dtype, "names", None)
    if not names:
        return data, False
    kinds = {data.dtype[name] for name in names}
    if len(kinds) != 1 or len(names) not in (3, 4):
        raise InputError(f"values with the fields {', '.join(names)} are not an image")
    base = kinds.pop()

    def view(block: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.ascontiguousarray(block).view(base).reshape(*block.shape, len(names)))

    if hasattr(data, "map_blocks"):
        chunks = (*data.chunks, (len(names),))
        return data.map_blocks(view, dtype=base, chunks=chunks, new_axis=data.ndim), True
    return view(np.asarray(data)), True


def _luminance(colours: NDArray[Any]) -> NDArray[Any]:
    grey = colours[..., :3] @ _LUMINANCE
    return np.asarray(np.rint(grey).astype(colours.dtype) if colours.dtype.kind in "ui" else grey)
