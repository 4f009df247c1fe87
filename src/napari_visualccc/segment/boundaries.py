"""Boundary F1: the share of outlines that lie within a tolerance of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.scores import UNLABELLED


class BoundaryCounts:
    """Sums of outline pixels met and missed, per class.

    The outline of a class are its pixels with a neighbour (of four) of another class. Precision is the share of the
    called outline within the tolerance of the true one, recall the reverse; F1 is their harmonic mean, from sums over
    all planes. Pixels without a label, and those next to them, are left out on both sides.

    References
    ----------
    .. [1] Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013,
       doi 10.5244/C.27.32.
    """

    def __init__(self, classes: int) -> None:
        self._counts = np.zeros((classes, 4), np.int64)

    def add(
        self,
        true: NDArray[np.uint8],
        called: NDArray[np.uint8],
        spacing: tuple[float, float],
        tolerance: float,
    ) -> None:
        """Count a plane.

        Parameters
        ----------
        true, called
            Class positions or `UNLABELLED`, shape (Y, X).
        spacing
            Height and width of a pixel.
        tolerance
            In the unit of the spacing.
        """
        unknown = (true == UNLABELLED) | (called == UNLABELLED)
        for label in range(len(self._counts)):
            theirs, ours = _outline(true == label, unknown), _outline(called == label, unknown)
            self._counts[label] += [
                int((ours & _near(theirs, spacing, tolerance)).sum()), int(ours.sum()),
                int((theirs & _near(ours, spacing, tolerance)).sum()), int(theirs.sum()),
            ]  # fmt: skip

    def f1(self) -> NDArray[np.float64]:
        """Boundary F1 per class; NaN for a class without outline on either side."""
        called_met, called, true_met, true = self._counts.T.astype(float)
        precision = np.divide(called_met, called, out=np.zeros_like(called), where=called > 0)
        recall = np.divide(true_met, true, out=np.zeros_like(true), where=true > 0)
        total = precision + recall
        f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
        return np.where(called + true > 0, f1, np.nan)


def _outline(mask: NDArray[np.bool_], unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    edge = np.zeros_like(mask)
    for axis in (0, 1):
        ahead: list[Any] = [slice(None), slice(None)]
        behind: list[Any] = [slice(None), slice(None)]
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        a, b = tuple(ahead), tuple(behind)
        differs = (mask[a] != mask[b]) & ~unknown[a] & ~unknown[b]
        edge[a] |= differs
        edge[b] |= differs
    return edge & mask


def _near(outline: NDArray[np.bool_], spacing: tuple[float, float], tolerance: float) -> NDArray[np.bool_]:
    from scipy.ndimage import distance_transform_edt

    if not outline.any():
        return outline
    # Three pixels of 0.1 nm are 0.30000000000000004 nm apart, and within 0.3 nm.
    return np.asarray(distance_transform_edt(~outline, sampling=spacing) <= tolerance * (1 + 1e-9))
