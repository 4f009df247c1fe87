"""Where the weights that a network began with come from, for its card."""

from __future__ import annotations

from pathlib import Path

from napari_visualccc.models.files import EXTENSION, KEY, read_card, read_metadata
from napari_visualccc.models.zoo import AUTO, FOREIGN, RANDOM


def begun_with(encoder: str, weights: str, digest: str) -> dict[str, str]:
    """Name, licence and hash of the weights.

    Parameters
    ----------
    encoder, weights
        As in `napari_visualccc.segment.TrainOptions`.
    digest
        What `napari_visualccc.models.nn.encoders.begin` gave: hash of the file, or ``"random"``.
    """
    from napari_visualccc.models.nn.offers import offer_of, shipped_weights

    if digest == RANDOM:
        return {"name": RANDOM, "licence": "", "hash": ""}
    if weights in FOREIGN:
        offer = offer_of(encoder, weights)
        return {"name": f"{encoder}, {weights}", "licence": offer.licence, "hash": digest}
    path = shipped_weights()[encoder] if weights == AUTO else Path(weights)
    is_ours = path.suffix == EXTENSION and KEY in read_metadata(path)
    return {"name": path.name, "licence": read_card(path).licence if is_ours else "not stated", "hash": digest}
