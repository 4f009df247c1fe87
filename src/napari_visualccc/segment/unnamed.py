"""Labels that have no name where others have one: no phases, such as what stands where nothing was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# So many labels are named in a note.
_LISTED = 5


class UnnamedLabels:
    """Leaves labels out that the names of the phases do not know, and counts them over planes.

    Parameters
    ----------
    names
        Labels that have a name; if there are none, all labels are phases.
    asked
        Labels that are wanted even so.

    Examples
    --------
    >>> unnamed = UnnamedLabels([0, 1])
    >>> unnamed.left_out(np.array([[0, 1, 2, 2, -1]]), np.array([0, 1, 255]))
    (array([[ 0,  1, -1, -1, -1]]), array([0, 1]))
    >>> unnamed.notes
    ('40 % of the pixels have labels without a name (255) and count nowhere',)
    """

    def __init__(self, names: Iterable[int], asked: Iterable[int] = ()) -> None:
        known = list(names)
        self._known = [*known, *asked] if known else None
        self._counts: Counter[int] = Counter()
        self._pixels = 0

    def left_out(
        self, positions: NDArray[np.int32], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Positions and labels of a plane without those that have no name.

        Parameters
        ----------
        positions
            Number of the phase of each pixel, an index into `labels`; -1 where ignored. Shape (Y, X).
        labels
            Label of each number, ascending.
        """
        self._pixels += positions.size
        named = np.ones(len(labels), bool) if self._known is None else np.isin(labels, self._known)
        if named.all():
            return positions, labels
        pixels = np.bincount(positions[positions >= 0], minlength=len(labels))
        self._counts.update({int(label): int(n) for label, n in zip(labels[~named], pixels[~named], strict=True)})
        lookup = np.append(np.where(named, np.cumsum(named) - 1, -1), -1)  # the last, -1, is what is ignored
        return lookup.astype(positions.dtype)[positions], labels[named]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the fractions: how much of the pixels they leave out, and which labels."""
        if not self._counts:
            return ()
        share = f"{100 * self._counts.total() / self._pixels:.3g} %"
        return (f"{share} of the pixels have labels without a name ({self._listed}) and count nowhere",)

    @property
    def words(self) -> str:
        """Part of a sentence that tells the labels left out, if there are any."""
        return f" or have no name ({self._listed})" if self._counts else ""

    @property
    def _listed(self) -> str:
        found = sorted(self._counts)
        return ", ".join(str(label) for label in found[:_LISTED]) + (", …" if len(found) > _LISTED else "")
