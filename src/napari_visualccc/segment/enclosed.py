"""Phases that lie within a layer, such as its cracks, and may belong to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.segment.measure_options import name_of

# A phase lies within the layer if it shares so much of its outline: a crack across it more, a neighbour half at most.
_MOSTLY = 0.6


class EnclosedPhases:
    """Share of the outline of each phase that borders on a layer, summed over planes.

    Parameters
    ----------
    layer
        Labels that form the layer.

    Notes
    -----
    The edge of the image counts as outline: what leaves the image need not end there, so that a substrate whose only
    seen boundary is the layer does not lie within it.

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

    def __init__(self, layer: Sequence[int]) -> None:
        self._layer = tuple(layer)
        self._outline: Counter[int] = Counter()
        self._shared: Counter[int] = Counter()

    def add(self, positions: NDArray[np.int32], labels: NDArray[np.int64]) -> None:
        """Count another plane, given as `InterfaceLengths.add` takes it."""
        in_layer = np.append(np.isin(labels, self._layer), False)  # the last, -1, is what is ignored
        for own, other in _sides(positions):
            outline = (own != other) & (own >= 0)
            shared = outline & in_layer[other]
            for counter, seen in ((self._outline, own[outline]), (self._shared, own[shared])):
                for number, count in enumerate(np.bincount(seen, minlength=len(labels)).tolist()):
                    counter[int(labels[number])] += count

    def shares(self) -> dict[int, float]:
        """By label, without the layer's own: sides of pixels that face the layer by all that face another phase."""
        return {
            label: self._shared[label] / sides
            for label, sides in sorted(self._outline.items())
            if sides and label not in self._layer
        }

    def notes(self, names: Mapping[int, str]) -> tuple[str, ...]:
        """What to know about the thickness: phases within the layer that were not counted as part of it."""
        layer = name_of(self._layer[0], names)
        return tuple(
            f"'{name_of(label, names)}' lies within '{layer}' ({100 * share:.0f} % of its outline), and "
            "the thickness may end at it: if it is part of the layer, let the layer include it"
            for label, share in self.shares().items()
            if share >= _MOSTLY
        )


def _sides(positions: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Each pixel and what it faces above, below, left and right; -1 where that is ignored or outside the image."""
    around = np.pad(np.maximum(positions, -1), 1, constant_values=-1)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        yield positions, around[y : y + positions.shape[0], x : x + positions.shape[1]]
