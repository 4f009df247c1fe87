"""How much of what is measured on has labels, and what scores are worth if it is only what somebody painted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.scores import UNLABELLED

# With labels on less than this share of the pixels, they are strokes, not a mask.
_SPARSE = 0.5
_PLACES = {"blocks": "held-out blocks of the area", "whole images": "held-out images"}


def labelled_share(planes: Iterable[NDArray[np.uint8]]) -> float:
    """Share of the pixels that have a label, 0 … 1; of class positions with `UNLABELLED` elsewhere.

    Examples
    --------
    >>> labelled_share([np.array([[0, 1], [255, 255]], np.uint8)])
    0.5
    """
    counted = [(int(np.count_nonzero(labels != UNLABELLED)), labels.size) for labels in planes]
    return sum(n for n, _ in counted) / max(1, sum(size for _, size in counted))


def is_sparse(share: float) -> bool:
    """True if labels on this share of the pixels are strokes rather than a mask.

    Masks say themselves how common phases are.
    """
    return share < _SPARSE


def measured_on(metrics: Mapping[str, Any]) -> str:
    """What scores were measured on, in the user's words.

    Parameters
    ----------
    metrics
        Of a training: ``"held_out"`` and ``"labelled_share"``, which models from before do not have.

    Examples
    --------
    >>> measured_on({"held_out": "blocks", "labelled_share": 1.0})
    'held-out blocks of the area'
    >>> measured_on({"held_out": "blocks", "labelled_share": 0.01})
    'the painted pixels of held-out blocks of the area'
    """
    kind = str(metrics.get("held_out", ""))
    place = _PLACES.get(kind, kind)
    return f"the painted pixels of {place}" if is_sparse(metrics.get("labelled_share", 1.0)) else place


def words_on_painted(metrics: Mapping[str, Any]) -> list[str]:
    """What scores are worth if only some pixels have a label; nothing if most have.

    Parameters
    ----------
    metrics
        Of a training or an evaluation: ``"labelled_share"``.

    Examples
    --------
    >>> words_on_painted({"labelled_share": 0.012})
    ['only 1.2 % of the area has labels, as a rule where phases are easy to tell: expect less of the rest']
    >>> words_on_painted({"labelled_share": 0.9})
    []
    """
    share = metrics.get("labelled_share", 1.0)
    if not is_sparse(share):
        return []
    painted = f"{100 * share:.2g} %"
    return [f"only {painted} of the area has labels, as a rule where phases are easy to tell: expect less of the rest"]
