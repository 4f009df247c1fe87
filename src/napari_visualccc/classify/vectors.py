"""Planes as vectors of what the encoder sees in them; each plane is looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.duplicates import Look, look_at
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import Device, map_threaded
from napari_visualccc.models.embedding_cache import EmbeddingCache
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.micrographs import Micrograph
from napari_visualccc.processing.text import marks_of

if TYPE_CHECKING:
    from napari_visualccc.models.nn.trunk import Trunk

_AT_ONCE = 32


@dataclass(frozen=True)
class Sight:
    """What was seen of planes.

    Attributes
    ----------
    vectors
        float32, shape (N, `Looker.size`).
    looks
        To recognise each plane by.
    """

    vectors: NDArray[np.float32]
    looks: tuple[Look, ...]


class Looker:
    """Turns planes into vectors, and remembers those that it has seen.

    Parameters
    ----------
    options
        Encoder and its weights.
    mask_marks
        Whether burnt-in scale bars and text are hidden, of planes that come without a mask.
    device
        Where to compute.
    cache
        File in which vectors are kept between sessions; None to keep them in memory only.
    trunk
        Encoder to look through instead of the one that the options name, and the hash of its weights.
    """

    def __init__(
        self,
        options: EmbeddingOptions | None = None,
        *,
        mask_marks: bool = True,
        device: Device | str = Device.AUTO,
        cache: EmbeddingCache | None = None,
        trunk: tuple[Trunk, str] | None = None,
    ) -> None:
        from napari_visualccc.models.nn.embedding import Embedder

        self._embedder = Embedder(options, device, trunk=trunk)
        self.options, self.mask_marks, self.cache = self._embedder.options, mask_marks, cache
        self._known: dict[str, tuple[NDArray[np.float32], Look]] = {}

    @property
    def size(self) -> int:
        """Length of a vector."""
        return int(self._embedder.dimensions)

    @property
    def weights_hash(self) -> str:
        """Hash of the encoder's weights."""
        return self._embedder.weights_hash

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._embedder.device

    def look(self, items: Sequence[Micrograph], *, remember: bool = True, progress: Progress | None = None) -> Sight:
        """Look at planes.

        Parameters
        ----------
        items
            The planes.
        remember
            Whether they are likely to be looked at again; windows of a plane are not.

        Raises
        ------
        InputError
            If a plane has no finite pixel.
        Cancelled
            From `progress`.
        """
        progress = silent(progress)
        items = [self.shown(item) for item in items]
        steps = progress.part(0, 0.05).steps(items, message="recognising images")
        keys = [EmbeddingCache.key(item, self._embedder.hash) for item in steps]
        unknown = [n for n, key in enumerate(keys) if key not in self._known]
        part = progress.part(0.05, 1)
        for start in range(0, len(unknown), _AT_ONCE):
            chosen = unknown[start : start + _AT_ONCE]
            here = part.part(start / len(unknown), (start + len(chosen)) / len(unknown))
            self._see([items[n] for n in chosen], [keys[n] for n in chosen], here, self.cache if remember else None)
        progress(1.0)
        seen = [self._known[key] for key in keys]
        if not remember:
            for n in unknown:
                self._known.pop(keys[n], None)
        vectors = np.stack([one[0] for one in seen]) if seen else np.zeros((0, self.size), np.float32)
        return Sight(vectors, tuple(one[1] for one in seen))

    def _see(self, items: list[Micrograph], keys: list[str], progress: Progress, cache: EmbeddingCache | None) -> None:
        kept = {key: found for key in keys if cache and (found := cache.get(key, self.size)) is not None}
        looks = dict(map_threaded(lambda n: look_at(items[n].planes.plane(items[n].index)), range(len(items))))
        new = [n for n, key in enumerate(keys) if key not in kept]
        # Searched here, on all cores: the stream would search one plane after another.
        words = "looking for scale bars and text" if self.mask_marks else ""
        masks = dict(map_threaded(lambda n: items[n].found_mask, new, progress=progress.part(0, 0.2), message=words))
        marked = [replace(items[n], mask=masks[n]) for n in new]
        stream = self._embedder.stream(marked, len(new), progress=progress.part(0.2, 1))
        fresh = {keys[n]: vector for n, vector in zip(new, stream, strict=True)}
        if cache:
            cache.put(fresh)
        vectors = kept | fresh
        self._known |= {key: (vectors[key], looks[n]) for n, key in enumerate(keys)}

    def shown(self, item: Micrograph) -> Micrograph:
        """The plane without what was written into it."""
        return replace(item, mask=marks_of) if self.mask_marks and item.mask is None else item
