"""A segmentation network made ready for one machine: its fastest number format, tiles that fit, views averaged."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_visualccc.core.errors import ModelError, OptionError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.resample import Read, ResampledPlane, interpolate
from napari_visualccc.core.runtime import allocate
from napari_visualccc.models.nn.fuse import fused
from napari_visualccc.models.nn.memory import kept_memory
from napari_visualccc.models.nn.precision import PLAIN, Precision, fastest_precision
from napari_visualccc.models.nn.tiled import NotFinite, TiledNetwork

_SMALLEST_TILE = 128
# What torch says on GPUs, Linux, Windows ("DefaultCPUAllocator: not enough memory: you tried to …"), and of cuDNN.
_OUT_OF_MEMORY = (
    "out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "status_alloc_failed"
)  # fmt: skip
_log = logging.getLogger(__name__)

Bands = Iterator[tuple[slice, NDArray[np.float32]]]


class Segmenter:
    """Network ready to segment planes; the one given is left as it is.

    Parameters
    ----------
    network
        As `napari_visualccc.models.nn.unet.build` makes it.
    device
        ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision
        Number format; by default the fastest that this machine has.
    """

    def __init__(self, network: nn.Module, device: str = "cpu", precision: Precision | None = None) -> None:
        self.device = str(device)
        if getattr(network, "computes_in_float32", False):
            precision = PLAIN
        self._precision = precision or fastest_precision(device)
        ready = fused(copy.deepcopy(network).eval())
        self._network = ready.to(self.device, self._precision.dtype).to(memory_format=self._precision.layout)
        self._bearable_tile: int | None = None

    @property
    def precision_name(self) -> str:
        """Number format in words."""
        return self._precision.name

    def bearable(self, tile: int) -> int:
        """Edge of the tiles that are used if ones of `tile` pixels are asked for: less once memory ran out."""
        return tile if self._bearable_tile is None else min(tile, self._bearable_tile)

    def bands(
        self,
        read: Read,
        shape: tuple[int, int],
        *,
        factors: tuple[float, float] = (1.0, 1.0),
        tile: int = 1024,
        overlap: int = 128,
        views: str = "none",
        progress: Progress | None = None,
    ) -> Bands:
        """Class probabilities of a plane from top to bottom, as ``(rows, array of shape (classes, rows, X))``.

        Parameters
        ----------
        read
            Gives normalised, finite values of a region of the plane.
        shape
            Height and width of the plane.
        factors
            How many pixels the network wants to see per pixel of the plane.
        tile, overlap
            In pixels as the network sees them.
        views
            Mirrored and turned views to average, one of `napari_visualccc.models.symmetry.SYMMETRIES`.

        Raises
        ------
        Cancelled
            From `progress`.
        OptionError
            If there is not enough memory even for the smallest tile.
        ModelError
            If the network gives values that are not finite.
        """
        with kept_memory():
            if factors == (1.0, 1.0):
                yield from self._native(read, shape, tile, overlap, views, progress)
                return
            plane = ResampledPlane(read, shape, factors)
            progress = silent(progress)
            seen: NDArray[np.float16] | None = None
            for rows, probabilities in self._native(
                plane.read, plane.shape, tile, overlap, views, progress.part(0, 0.9)
            ):
                if seen is None:
                    seen = allocate((len(probabilities), *plane.shape), np.float16)
                seen[:, rows] = probabilities
            assert seen is not None
            yield from _brought_back(seen, shape, progress.part(0.9, 1))

    def _native(
        self, read: Read, shape: tuple[int, int], tile: int, overlap: int, views: str, progress: Progress | None
    ) -> Bands:
        """Bands at the network's own pixel size; starts again with smaller tiles when memory runs out, and stays so."""
        done = 0
        tile = self.bearable(tile)
        while True:
            tiled = TiledNetwork(
                self._network, self._precision, self.device, tile=tile, overlap=min(overlap, tile // 2), views=views
            )
            try:
                for band in tiled.bands(read, shape, progress):
                    rows = slice(max(band.rows.start, done), band.rows.stop)
                    if rows.start < rows.stop:
                        yield rows, band.probabilities[:, rows.start - band.rows.start :].numpy()
                        done = rows.stop
                return
            except NotFinite as error:
                if self._precision.dtype == torch.float32:
                    raise ModelError(
                        "the network gives values that are not numbers: its weights are damaged, or its training went "
                        "astray; train it anew, with a smaller learning rate"
                    ) from error
                _log.warning("%s gave values that are not finite: going on in float32", self._precision.name)
                self._precision = PLAIN
                self._network = self._network.float().to(memory_format=PLAIN.layout)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if tile <= _SMALLEST_TILE:
                    raise OptionError(
                        f"there is not enough memory on {self.device} to segment even one small tile: close other "
                        "programs, or choose another device"
                    ) from error
                tile = self._bearable_tile = max(_SMALLEST_TILE, tile // 2)
                _log.warning("memory ran out: going on with tiles of %d pixels", tile)
                if self.device == "cuda":
                    torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """True if memory ran out, on whichever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    return any(sign in words for sign in _OUT_OF_MEMORY)


def _brought_back(seen: NDArray[np.float16], shape: tuple[int, int], progress: Progress) -> Bands:
    """Probabilities on the grid of the source, a few rows at a time."""
    height, width = seen.shape[-2:]
    columns = np.clip((np.arange(shape[1]) + 0.5) * width / shape[1] - 0.5, 0, width - 1)
    step = max(1, (1 << 22) // shape[1])
    for top in range(0, shape[0], step):
        rows = slice(top, min(top + step, shape[0]))
        places = np.clip((np.arange(rows.start, rows.stop) + 0.5) * height / shape[0] - 0.5, 0, height - 1)
        low, high = int(places[0]), min(int(places[-1]) + 2, height)
        part = np.asarray(seen[:, low:high], np.float32)
        yield rows, interpolate(interpolate(part, places - low, 1), columns, 2)
        progress(rows.stop / shape[0], "bringing the phases back to the image's pixels")
