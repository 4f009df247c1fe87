"""Run a segmentation network over planes of any size: overlapping tiles, smooth blending, band by band."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.tiles import Tile, blend_weights, fitting_size, overlapping_tiles
from napari_visualccc.models.nn.precision import Precision
from napari_visualccc.models.symmetry import VIEWS

Read = Callable[[tuple[slice, slice]], NDArray[np.float32]]

# oneDNN's bfloat16 convolution of stride 2 reads unset memory when its output is one pixel wide (PyTorch 2.15, one
# run in five gives NaN): images are padded so that even the deepest features are two pixels wide.
_LEAST_MULTIPLES = 2


class NotFinite(ArithmeticError):  # noqa: N818
    """The network gave NaN or infinity, which would be called the first class without a word."""


@dataclass(frozen=True)
class Band:
    """Finished rows of a plane.

    Attributes
    ----------
    rows
        Which rows.
    probabilities
        float32, shape (classes, rows, X); they sum to 1 at every pixel.
    """

    rows: slice
    probabilities: torch.Tensor


class TiledNetwork:
    """A network ready to be run over planes.

    Parameters
    ----------
    network
        Takes (N, 1, Y, X), gives scores (N, C, Y, X); its ``multiple`` is what the sides must be multiples of. With
        ``takes_float32`` it gets its images in float32 even if it computes in half precision.
    precision
        Number format to compute in.
    device
        Where.
    tile, overlap
        Edge of a tile, about (see `fitting_size`), and least overlap with its neighbours, in pixels.
    views
        Mirrored and turned views to average: a key of `napari_visualccc.models.symmetry.VIEWS`.
    """

    def __init__(
        self,
        network: nn.Module,
        precision: Precision,
        device: str = "cpu",
        *,
        tile: int = 512,
        overlap: int = 128,
        views: str = "none",
    ) -> None:
        self._network = network
        self._precision, self._device = precision, device
        self.tile, self.overlap, self._views = tile, overlap, VIEWS[views]

    def bands(self, read: Read, shape: tuple[int, int], progress: Progress | None = None) -> Iterator[Band]:
        """Class probabilities of a plane, from top to bottom.

        Parameters
        ----------
        read
            Gives the normalised values of a region, float32 and finite.
        shape
            Height and width of the plane.
        progress
            Called after every tile, and asked before every layer of the network.
        """
        progress = silent(progress)
        size = fitting_size(shape, self.tile, self.overlap, getattr(self._network, "multiple", 32))
        tiles = overlapping_tiles(shape, size, self.overlap)
        waiting: torch.Tensor | None = None
        top = 0
        for number, tile in enumerate(tiles):
            rows = tile.core[0]
            if waiting is not None and rows.start > top and tile.core[1].start == 0:
                yield Band(slice(top, rows.start), waiting[:, : rows.start - top])
                waiting = waiting[:, rows.start - top :]
                top = rows.start
            with _asked_between_layers(self._network, progress):
                values = self._probabilities(read(tile.core))
            weights = torch.from_numpy(blend_weights(shape, size, self.overlap, tile))
            waiting = _add(waiting, values * weights, tile, top, shape[1])
            progress((number + 1) / len(tiles), "segmenting")
        assert waiting is not None
        yield Band(slice(top, shape[0]), waiting)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _probabilities(self, values: NDArray[np.float32]) -> torch.Tensor:
        """Class probabilities of one tile, float32, shape (C, Y, X)."""
        image = torch.from_numpy(np.ascontiguousarray(values)).to(self._device)[None, None]
        if len(self._views) == 1:
            return self._run(image).cpu()
        total: torch.Tensor | float = 0.0
        for turns, mirrored in self._views:
            view = torch.rot90(image.flip(-1) if mirrored else image, turns, (-2, -1))
            seen = torch.rot90(self._run(view), -turns, (-2, -1))
            total = total + (seen.flip(-1) if mirrored else seen)
        assert isinstance(total, torch.Tensor)
        return (total / len(self._views)).cpu()

    def _run(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        image = padded_to(image, getattr(self._network, "multiple", 32))
        image = image.contiguous(memory_format=self._precision.layout)
        if not getattr(self._network, "takes_float32", False):
            image = image.to(self._precision.dtype)
        if self._precision.dtype != torch.float32 and next(self._network.parameters()).dtype == torch.float32:
            with torch.autocast(self._device, self._precision.dtype):
                scores = self._network(image)
        else:
            scores = self._network(image)
        scores = scores[0, :, :height, :width].float()
        if not bool(torch.isfinite(scores).all()):
            raise NotFinite("the network gave values that are not finite")
        return scores.softmax(dim=0)


@contextmanager
def _asked_between_layers(network: nn.Module, progress: Progress) -> Iterator[None]:
    """Ask before every layer whether to stop: one look at a large tile takes seconds on a small machine."""

    def ask(layer: nn.Module, given: object) -> None:
        progress.check()

    hooks = [layer.register_forward_pre_hook(ask) for layer in network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def padded_to(image: torch.Tensor, multiple: int) -> torch.Tensor:
    """Pad (N, C, Y, X) to sides that a network takes: multiples of `multiple`, and not the smallest."""
    height, width = (max(_LEAST_MULTIPLES, -(-n // multiple)) * multiple for n in image.shape[-2:])
    return reflect_to(image, height, width)


def reflect_to(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pad (N, C, Y, X) below and to the right by mirroring, as often as needed."""
    while image.shape[-2] < height or image.shape[-1] < width:
        down = min(height - image.shape[-2], max(image.shape[-2] - 1, 0))
        right = min(width - image.shape[-1], max(image.shape[-1] - 1, 0))
        if image.shape[-2] == 1 and height > 1:
            image = image.expand(-1, -1, 2, -1)
        elif image.shape[-1] == 1 and width > 1:
            image = image.expand(-1, -1, -1, 2)
        else:
            image = F.pad(image.float(), (0, right, 0, down), mode="reflect").to(image.dtype)
    return image


def _add(waiting: torch.Tensor | None, values: torch.Tensor, tile: Tile, top: int, width: int) -> torch.Tensor:
    """Add a tile to the rows that wait for their neighbours."""
    y, x = tile.core
    needed = y.stop - top
    if waiting is None:
        waiting = torch.zeros(values.shape[0], needed, width)
    elif waiting.shape[1] < needed:
        more = torch.zeros(values.shape[0], needed - waiting.shape[1], width)
        waiting = torch.cat([waiting, more], dim=1)
    waiting[:, y.start - top : y.stop - top, x] += values
    return waiting
