"""What to know of heat before believing it: when it hardly bears on the answer, and how to make faint heat seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.card import ModelCard

# The heat of these is in units of the score, and its cells add up to about what they contribute to it. EigenCAM's and
# Score-CAM's is not, Grad-CAM++'s added up to 0.2 to 1000 times the score, and squares of occlusion overlap.
_ADDS_UP = ("gradcam", "hirescam", "layercam", "ig")
# These ask about the pixels of the image, and so about every way that leads from them to the score.
_AT_THE_PIXELS = ("ig", "occlusion")
# All heat of a plane relative to the score that it explains. (The hottest cell says nothing: a network that segments is
# asked about the mean of thousands of pixels, and 1e-5 of its score per cell is usual.) Measured on U-Nets of fifty
# steps: 0.05 … 4, but 0.0006 for a ground of which Grad-CAM showed a few odd places; on a classifier 0.7.
_LEAST_SHARE = 0.01
# How far the probability of the class lies on the way from chance to certainty. Measured on U-Nets that had learnt
# nothing, or for two steps, asked about the pixels that they call a phase: 0.01 … 0.19; after fifty steps 0.92.
_LEAST_CERTAINTY = 0.25
# Heat below 1 % of the hottest is dark on any scale, and no reason to make a picture brighter.
_BINS = 100
# Of the hot pixels so many are told apart by their colour; those hotter still are as bright as can be.
_SHADED = 0.95
# Share of the pixels below which heat is easily overlooked.
_FEW_PIXELS = 0.01


@dataclass(frozen=True)
class Spread:
    """How heat is spread over the pixels of all planes.

    Attributes
    ----------
    brightest
        Heat, 0 … 1, from which on a picture need not get brighter: exceeded by 5 % of the hot pixels of all planes
        together, so that one scale serves them all.
    hot
        Share of the pixels that are hot at all: by 1 % of the hottest or more.
    """

    brightest: float
    hot: float


def spread_of(planes: Iterable[NDArray[np.float32]]) -> Spread:
    """Spread of heat in 0 … 1; NaN is nothing.

    Examples
    --------
    >>> heat = np.zeros((100, 100), np.float32)
    >>> heat[0, :50], heat[0, 0] = 0.0951, 1
    >>> spread_of([heat])
    Spread(brightest=0.1, hot=0.005)
    """
    counts = np.zeros(_BINS, np.int64)
    for plane in planes:
        counts += np.histogram(plane, _BINS, (0, 1))[0]
    hot = counts[1:].sum()
    if not hot:
        return Spread(1.0, 0.0)
    place = int(np.searchsorted(counts[1:].cumsum(), _SHADED * hot)) + 1
    return Spread((place + 1) / _BINS, float(hot / counts.sum()))


def notes_on(table: pd.DataFrame, method: str, spread: Spread, *, chance: float | None) -> tuple[str, ...]:
    """Doubts about heat, in words; none if there are none.

    Parameters
    ----------
    table
        One row per plane that was asked about, with ``score, probability, total``; see `Explanation.planes`.
    method
        Key of `METHODS`.
    spread
        Of the heat.
    chance
        Probability of the class if nothing were known; None where the probability is not that of an answer (of a
        network that segments, in places that it may call something else).
    """
    notes = []
    if method in _ADDS_UP:
        faint = table[table["total"] < _LEAST_SHARE * table["score"].abs()]
        if len(faint):
            notes.append(
                f"{_where(faint, table)}all heat adds up to less than {_LEAST_SHARE:.0%} of the class's score: what is "
                "hot says next to nothing about why the network answers so"
            )
    if chance is not None:
        certainty = (table["probability"] - chance) / (1 - chance)
        unsure = table[(certainty >= 0) & (certainty < _LEAST_CERTAINTY)]
        if len(unsure):
            notes.append(
                f"{_where(unsure, table)}the network is hardly surer of the class than chance "
                f"({unsure['probability'].mean():.2f}, chance {chance:.2f}): it has learnt too little for its heat to "
                "mean much"
            )
    if 0 < spread.hot < _FEW_PIXELS:
        notes.append(f"heat lies in {_percent(spread.hot)} of the pixels only: zoom in to see it")
    return tuple(notes)


def note_on_lattice(card: ModelCard, method: str) -> tuple[str, ...]:
    """That a network looks at lattice fringes beside the layer whose maps make the heat, in words."""
    if not card.architecture.get("lattice") or method in _AT_THE_PIXELS:
        return ()
    return (
        "the network also looks at the spacings of lattice fringes, beside the layer that this heat comes from: what "
        "it sees there is not in the heat; Integrated Gradients and Occlusion show all of it",
    )


def note_on_trust(trust: Mapping[str, float]) -> tuple[str, ...]:
    """That heat does no better than a random map, in words.

    Parameters
    ----------
    trust
        Means of `explanation_trust.Trust.as_dict` over the planes; empty if nothing was judged.

    Examples
    --------
    >>> heat = {"insertion_auc": 0.8, "deletion_auc": 0.3}
    >>> note_on_trust(heat | {"insertion_auc_random": 0.6, "deletion_auc_random": 0.4})
    ()
    """
    if not trust:
        return ()
    heat, random = (trust[f"insertion_auc{of}"] - trust[f"deletion_auc{of}"] for of in ("", "_random"))
    if heat > random:
        return ()
    return (
        "the class appears and vanishes with the hot pixels no faster than with random ones: this heat says nothing of "
        "why the network answers so, however good it looks",
    )


def _where(some: Any, all_planes: Any) -> str:
    return "" if len(some) == len(all_planes) else f"in {len(some)} of {len(all_planes)} planes "


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"  # noqa: PLR2004 - what one digit can show
