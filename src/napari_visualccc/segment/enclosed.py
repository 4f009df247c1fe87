"""Phases that lie within a layer, such as its cracks, and may belong to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.segment.measure_options import name_of
from napari_visualccc.segment.thickness import measure_thickness

# A phase lies within the layer if it shares so much of its outline: a crack across it more, a neighbour half at most.
_MOSTLY = 0.6
# A layer with its cracks is about as thick as where it has none; one with the spacer to the next, more than twice.
_THICKER = 1.3
# Share of the places that are thinner than "where it has none": a crack along the layer parts it in two thin ones.
_WHOLE = 0.9


class EnclosedPhases:
    """Share of the outline of each phase that borders on a layer, summed over planes.

    Parameters
    ----------
    layer
        Labels that form the layer.
    pixel_size
        Of the planes.

    Notes
    -----
    The edge of the image counts as outline: what leaves the image need not end there, so that a substrate whose only
    seen boundary is the layer does not lie within it. Nor does the spacer between layers, or the core of a shell,
    though nothing but layer is around it: with it, there is no such layer any more, or it is much thicker.

    Examples
    --------
    >>> oxide_with_crack = np.repeat([[0], [1], [0]], [10, 20, 10], axis=0) * np.ones((1, 50), np.int32)
    >>> oxide_with_crack[10:30, 24:27] = 2
    >>> enclosed = EnclosedPhases([1])
    >>> enclosed.add(oxide_with_crack, np.array([0, 1, 2]))
    >>> {label: round(share, 2) for label, share in enclosed.shares().items()}
    {0: 0.39, 2: 0.87}
    >>> enclosed.notes({1: "oxide", 2: "crack"})
    ("'crack' lies within 'oxide' (87 % of its outline), and the thickness may end at it: if it is part of the layer, \
let the layer include it",)
    """

    def __init__(self, layer: Sequence[int], pixel_size: PixelSize | None = None) -> None:
        self._layer = tuple(layer)
        self._size = pixel_size or PixelSize()
        self._outline: Counter[int] = Counter()
        self._shared: Counter[int] = Counter()
        # By label, the plane in which it shares most: how much, where the layer is, and where the phase.
        self._seen: dict[int, tuple[int, NDArray[np.bool_], NDArray[np.bool_]]] = {}

    def add(self, positions: NDArray[np.int32], labels: NDArray[np.int64]) -> None:
        """Count another plane, given as `InterfaceLengths.add` takes it."""
        in_layer = np.append(np.isin(labels, self._layer), False)  # the last, -1, is what is ignored
        outlines, shares = np.zeros((2, len(labels)), np.int64)
        for own, other in _sides(positions):
            outline = (own != other) & (own >= 0)
            outlines += np.bincount(own[outline], minlength=len(labels))
            shares += np.bincount(own[outline & in_layer[other]], minlength=len(labels))
        layer = in_layer[positions]
        for number, label in enumerate(labels.tolist()):
            outline, shared = int(outlines[number]), int(shares[number])
            self._outline[label] += outline
            self._shared[label] += shared
            most = self._seen[label][0] if label in self._seen else 0
            if label not in self._layer and shared > max(most, _MOSTLY * outline):
                self._seen[label] = shared, layer, positions == number

    def shares(self) -> dict[int, float]:
        """By label, without the layer's own: sides of pixels that face the layer by all that face another phase."""
        return {
            label: self._shared[label] / sides
            for label, sides in sorted(self._outline.items())
            if sides and label not in self._layer
        }

    def notes(self, names: Mapping[int, str], progress: Progress | None = None) -> tuple[str, ...]:
        """What to know about the thickness: phases within the layer that were not counted as part of it."""
        layer = name_of(self._layer[0], names)
        shares = {label: share for label, share in self.shares().items() if share > _MOSTLY}
        return tuple(
            f"'{name_of(label, names)}' lies within '{layer}' ({100 * shares[label]:.0f} % of its outline), and "
            "the thickness may end at it: if it is part of the layer, let the layer include it"
            for label in self._within(list(shares), silent(progress))
        )

    def _within(self, labels: list[int], progress: Progress) -> Iterator[int]:
        """Those with which the layer is still one, and no thicker; or with which alone it is one."""
        known: dict[int, float | None] = {}  # phases of the same plane share its layer
        for done, label in enumerate(labels):
            part = progress.part(done / len(labels), (done + 1) / len(labels))
            _, layer, phase = self._seen[label]
            if id(layer) not in known:
                known[id(layer)] = self._thickness(layer, part.part(0.0, 0.5))
            alone, included = known[id(layer)], self._thickness(layer | phase, part.part(0.5, 1.0))
            if included is not None and (alone is None or included < _THICKER * alone):
                yield label

    def _thickness(self, layer: NDArray[np.bool_], progress: Progress) -> float | None:
        """How thick a layer is where it has no cracks; None if it is no layer."""
        pieces = measure_thickness(layer, self._size, progress=progress).pieces
        return float(np.quantile(np.concatenate([piece.thickness for piece in pieces]), _WHOLE)) if pieces else None


def _sides(positions: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Each pixel and what it faces above, below, left and right; -1 where that is ignored or outside the image."""
    around = np.pad(np.maximum(positions, -1), 1, constant_values=-1)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        yield positions, around[y : y + positions.shape[0], x : x + positions.shape[1]]
