"""Whether a model is measured on images that it learnt from: its scores flatter it then."""

from __future__ import annotations

from napari_visualccc.models.card import ModelCard


def image_hashes(card: ModelCard) -> frozenset[str]:
    """Fingerprints of the images that a model learnt from; empty if its card names none."""
    return frozenset(str(one["hash"]) for one in card.training.get("data", ()) if one.get("hash"))


def words_on_learnt(learnt: int, measured: int, *, at_least: bool = False) -> str:
    """What scores are worth if some of the images were learnt from; empty if none was.

    Parameters
    ----------
    learnt, measured
        Number of images.
    at_least
        True if some may not have been recognised.

    Examples
    --------
    >>> words_on_learnt(3, 7)
    'the model learnt from 3 of the 7 images that it is measured on: the scores flatter it; measure it on other images'
    >>> words_on_learnt(0, 7)
    ''
    """
    if not learnt:
        return ""
    count = "all" if learnt == measured else f"{'at least ' if at_least else ''}{learnt} of the"
    return (
        f"the model learnt from {count} {measured} images that it is measured on: the scores flatter it; measure it on "
        "other images"
    )
