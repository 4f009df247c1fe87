"""Micrographs as vectors: what a pre-trained encoder finds in them, pooled over the field of view.

Each plane is seen three times, at its own resolution, at half and at a quarter of it; of the encoder's deepest level
the mean over all places is kept::

    plane ─ grey scale ─┬─ crops ──────────── encoder ─ mean ─┐
                        ├─ crops at half ──── encoder ─ mean ─┤
                        └─ crops at quarter ─ encoder ─ mean ─┴─ vector

Shallower levels and deviations helped on no set that was tried (two classifications, six properties, groups held out).
What is linear in a mean is a sum over places: heatmaps of it are exact.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Region, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import Device, choose_device
from napari_visualccc.models.crops import crop_regions
from napari_visualccc.models.embedding_cache import EmbeddingCache
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.micrographs import Micrograph, source_of
from napari_visualccc.models.nn.fuse import fused
from napari_visualccc.models.nn.memory import kept_memory
from napari_visualccc.models.nn.precision import Precision, fastest_precision
from napari_visualccc.models.nn.trunk import REDUCTIONS, Trunk, filled_trunk

# Changes whenever the same image and weights give another vector, also because other marks are found in it.
_RECIPE = "2"
# Pixels that are on their way through the network together.
_BATCH_PIXELS = 1 << 19

Vector = NDArray[np.float32]


class Embedder:
    """An encoder made ready to turn planes into vectors on this machine.

    Parameters
    ----------
    options
        See `EmbeddingOptions`.
    device
        Where to compute.
    precision
        Number format; by default the fastest that this machine has.
    trunk
        Network to look through instead of the one that the options name, and the hash of its weights; it is left as
        it is.

    Attributes
    ----------
    hash
        Of weights and options: vectors of equal hash can be compared.
    dimensions
        Length of a vector: mean of each channel, for each reduction.

    Raises
    ------
    OptionError, ModelError
        If there is no such encoder, or the weights do not fit it.

    Examples
    --------
    >>> embedder = Embedder()
    >>> embedder.embed(np.random.default_rng(0).random((3, 64, 80))).shape
    (3, 960)
    """

    def __init__(
        self,
        options: EmbeddingOptions | None = None,
        device: Device | str = Device.AUTO,
        precision: Precision | None = None,
        trunk: tuple[Trunk, str] | None = None,
    ) -> None:
        self.options = options or EmbeddingOptions()
        self.device = str(choose_device(device))
        given, self.weights_hash = filled_trunk(self.options) if trunk is None else trunk
        own = copy.deepcopy(given).eval()
        self.precision = precision or fastest_precision(self.device)
        self.trunk = fused(own).to(self.device, self.precision.dtype).to(memory_format=self.precision.layout)
        self.channels = own.channels
        self.dimensions = len(REDUCTIONS) * self.channels
        said = repr((_RECIPE, self.options.encoder, self.weights_hash, self.options.pixel_nm, self.options.crops))
        self.hash = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def embed(
        self,
        images: Any,
        *,
        pixel_size: PixelSize | None = None,
        masks: Sequence[NDArray[np.bool_] | None] | None = None,
        rgb: bool | None = None,
        cache: EmbeddingCache | None = None,
        progress: Progress | None = None,
    ) -> Vector:
        """Vectors of all planes of an image or stack, float32, shape (N, dimensions).

        Parameters
        ----------
        images
            Array of shape (Y, X), (…, Y, X) or RGB(A), of any number type, NumPy or dask; or `Planes`.
        pixel_size
            Of the images.
        masks
            One per plane: True where something was written into the picture; None if nothing was.
        rgb
            Whether the last axis holds colours; None guesses.
        cache
            Where vectors are looked up and kept.

        Raises
        ------
        InputError
            If a plane has no finite pixel.
        Cancelled
            From `progress`.
        """
        planes = as_planes(images, rgb=rgb)
        size = pixel_size or PixelSize()
        masks = masks if masks is not None else [None] * len(planes)
        items = (Micrograph(planes, i, size, mask) for i, mask in zip(range(len(planes)), masks, strict=True))
        result = np.empty((len(planes), self.dimensions), np.float32)
        for index, vector in enumerate(self.stream(items, len(planes), cache=cache, progress=progress)):
            result[index] = vector
        return result

    def stream(
        self,
        items: Iterable[Micrograph],
        total: int,
        *,
        cache: EmbeddingCache | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Vector]:
        """Vectors of micrographs one after another, in order; a few planes are in memory at a time.

        Raises
        ------
        InputError, Cancelled
            As `embed`.
        """
        progress = silent(progress)
        waiting: list[_Job] = []
        done = pixels = 0
        for item in items:
            progress(done / max(total, 1), "looking at the micrographs")
            job = _Job(item, self, cache)
            waiting.append(job)
            pixels += job.pixels
            if pixels >= _BATCH_PIXELS or len(waiting) >= 64:
                yield from self._finish(waiting, cache, progress)
                done, pixels, waiting = done + len(waiting), 0, []
        yield from self._finish(waiting, cache, progress)
        progress(1.0)

    def _finish(self, jobs: list[_Job], cache: EmbeddingCache | None, progress: Progress) -> Iterator[Vector]:
        """Send all crops of equal shape through the network together."""
        with kept_memory():
            for reduction in REDUCTIONS:
                groups: dict[tuple[int, int], list[tuple[_Job, Region]]] = {}
                for job in jobs:
                    for region in job.regions(reduction):
                        size = (region[0].stop - region[0].start, region[1].stop - region[1].start)
                        groups.setdefault(size, []).append((job, region))
                for size, members in groups.items():
                    step = max(1, _BATCH_PIXELS // (size[0] * size[1]))
                    for start in range(0, len(members), step):
                        progress.check()
                        self._pool(reduction, members[start : start + step])
        vectors = [job.vector() for job in jobs]
        if cache is not None:
            cache.put({job.key: vector for job, vector in zip(jobs, vectors, strict=True) if job.found is None})
        yield from vectors

    def _pool(self, reduction: int, members: list[tuple[_Job, Region]]) -> None:
        read = [job.read(region) for job, region in members]
        images, counts = (torch.from_numpy(np.stack(part))[:, None] for part in zip(*read, strict=True))
        found, share = self.maps(images, counts, reduction)
        sums = (found * share).sum((2, 3)).double().cpu().numpy()
        counted = share.sum((1, 2, 3)).double().cpu().numpy()
        for n, (job, _) in enumerate(members):
            job.add(reduction, sums[n], float(counted[n]))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def maps(self, images: torch.Tensor, counts: torch.Tensor, reduction: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What `Trunk.maps` gives, computed on the device; both float32."""
        found, share = self.trunk.maps(images.to(self.device), counts.to(self.device), reduction)
        return found.float(), share


class _Job:
    """A micrograph on its way: what is read of it, and the sums of what was found."""

    def __init__(self, item: Micrograph, embedder: Embedder, cache: EmbeddingCache | None) -> None:
        self._item = item
        self._embedder = embedder
        self.key = cache.key(item, embedder.hash) if cache else ""
        self.found = cache.get(self.key, embedder.dimensions) if cache else None
        self._sums: dict[int, list[Any]] = {}
        if self.found is None:
            self._read, self._counts, self._shape = source_of(item, embedder.options)

    @property
    def pixels(self) -> int:
        """Pixels that will go through the network."""
        return 0 if self.found is not None else sum((y.stop - y.start) * (x.stop - x.start) for y, x in self.regions(1))

    def regions(self, reduction: int) -> list[Region]:
        """Crops at a reduction; none if the vector is known."""
        if self.found is not None:
            return []
        reduced = (-(-self._shape[0] // reduction), -(-self._shape[1] // reduction))
        whole = crop_regions(reduced, self._embedder.options.crops)
        return [(_enlarged(y, reduction, self._shape[0]), _enlarged(x, reduction, self._shape[1])) for y, x in whole]

    def read(self, region: Region) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Normalised values of a region, and which of them count."""
        return self._read(region), self._counts(region)

    def add(self, reduction: int, sums: Any, count: float) -> None:
        """Take note of what was found in a crop."""
        kept = self._sums.setdefault(reduction, [0.0, 0.0])
        kept[0], kept[1] = kept[0] + sums, kept[1] + count

    def vector(self) -> Vector:
        """Mean of all channels."""
        if self.found is not None:
            return self.found
        means = [sums / max(count, 1e-12) for sums, count in (self._sums[reduction] for reduction in REDUCTIONS)]
        return np.concatenate(means).astype(np.float32)


def _enlarged(part: slice, factor: int, length: int) -> slice:
    return slice(part.start * factor, min(part.stop * factor, length))
