"""Who offers weights for which encoder: those that come with the package, ImageNet's, NASA's."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import EXTENSION, read_card
from napari_visualccc.models.nn.sizes import PARAMETERS
from napari_visualccc.models.zoo import AUTO, FOREIGN, IMAGENET, RANDOM, Offer, cached, micronet_offers

# Weights that come with the package: one file per encoder, a card in its header (see `training/`).
SHIPPED = Path(__file__).parents[1] / "weights"
TIMM = "tu-"
_HUB = "https://huggingface.co/{repository}/resolve/{revision}/model.safetensors"
# The photographs' own terms: whoever builds a product on what was learnt from them should know.
_IMAGENET_TERMS = "learnt from ImageNet: research terms"


def shipped_weights() -> dict[str, Path]:
    """Files of the weights that come with the package, by the encoder's name."""
    return {path.name.removesuffix(EXTENSION): path for path in sorted(SHIPPED.glob(f"*{EXTENSION}"))}


def offers() -> list[Offer]:
    """All weights that can be named, those that come with the package first; those of timm are too many."""
    own = [_shipped(name, path, read_card(path)) for name, path in shipped_weights().items()]
    others = [*_imagenet_offers().values(), *micronet_offers()]
    return own + sorted(others, key=lambda one: (one.encoder, FOREIGN.index(one.weights)))


def offer_of(encoder: str, weights: str) -> Offer:
    """Weights that were asked for by name.

    Raises
    ------
    OptionError
        If nobody offers them for this encoder.
    """
    if encoder.startswith(TIMM) and weights == IMAGENET:
        return _of_timm(encoder)
    found = {one.encoder: one for one in offers() if one.weights == weights}
    if encoder not in found:
        raise OptionError(f"there are no weights {weights!r} for encoder {encoder!r}, only for: {', '.join(found)}")
    return found[encoder]


def _shipped(name: str, path: Path, card: ModelCard) -> Offer:
    return Offer(
        name, AUTO, f"comes with the package: {card.training.get('data')}", card.licence, "", path,
        megabytes=path.stat().st_size / 1e6,
    )  # fmt: skip


@cache
def _imagenet_offers() -> dict[str, Offer]:
    """Torchvision's where it has them, as their file names tell the checksum; else those of smp, by commit."""
    import torchvision

    found = {}
    theirs = set(torchvision.models.list_models())
    for name, entry in smp.encoders.encoders.items():
        settings = entry["pretrained_settings"].get(IMAGENET)
        # Of `timm-NAME` smp says itself that `tu-NAME` replaces it.
        if settings is None or name.startswith("timm-"):
            continue
        if name in theirs:
            weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
            url, licence = weights.url, f"BSD-3-Clause ({_IMAGENET_TERMS})"
            source, size = "torchvision", float(weights.meta["_file_size"])
            digest = url.rpartition("-")[2].removesuffix(".pth")
        else:
            repository, revision = settings["repo_id"], settings["revision"]
            url = _HUB.format(repository=repository, revision=revision)
            licence = f"see {repository} ({_IMAGENET_TERMS})"
            source, size, digest = f"Hugging Face {repository}", 0.0, ""
        found[name] = Offer(name, IMAGENET, source, licence, url, cached(name, IMAGENET, url), digest, size)
    return found


def _of_timm(encoder: str) -> Offer:
    import timm

    settings = timm.get_pretrained_cfg(encoder.removeprefix(TIMM))
    if settings is None or not settings.hf_hub_id:
        raise OptionError(f"there are no weights {IMAGENET!r} for encoder {encoder!r}: timm offers none")
    url = _HUB.format(repository=settings.hf_hub_id, revision="main")
    licence = f"{settings.license or 'not stated'} ({_IMAGENET_TERMS})"
    return Offer(
        encoder, IMAGENET, f"timm, Hugging Face {settings.hf_hub_id}", licence, url, cached(encoder, IMAGENET, url)
    )


def encoders_at_hand() -> list[dict[str, Any]]:
    """What can be begun with, a row for each encoder and its weights: what is here, what is offered, what is random.

    Returns
    -------
    list of dict
        ``name`` and ``weights`` as the options take them, ``source``, ``licence``, ``megabytes`` (of an offer whose
        size nobody tells: four bytes per parameter), ``at_hand``, ``where`` (file or address), ``parameters``,
        ``metrics`` (of those that come with the package).
    """
    rows = [_row(offer) for offer in offers()]
    named = {row["name"] for row in rows}
    nothing = {"weights": RANDOM, "source": "no weights are offered", "licence": "", "megabytes": 0.0, "at_hand": True,
               "where": "", "metrics": {}}  # fmt: skip
    rows += [{"name": name, **nothing, "parameters": count} for name, count in PARAMETERS.items() if name not in named]
    return sorted(rows, key=lambda row: not (row["at_hand"] and row["weights"] != RANDOM))


def _row(offer: Offer) -> dict[str, Any]:
    parameters = PARAMETERS.get(offer.encoder)
    at_hand = offer.path.is_file()
    return {
        "name": offer.encoder, "weights": offer.weights, "source": offer.source, "licence": offer.licence,
        "megabytes": round(offer.megabytes or 4e-6 * (parameters or 0), 1), "at_hand": at_hand,
        "where": str(offer.path) if at_hand else offer.url, "parameters": parameters,
        "metrics": {} if offer.url else dict(read_card(offer.path).metrics),
    }  # fmt: skip
