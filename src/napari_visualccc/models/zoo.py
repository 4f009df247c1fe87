"""Weights that networks can begin with, by name: the words and addresses, readable without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_visualccc.core.folders import cache_folder

# Encoder of Segment, Classify and Map, unless another one is chosen; its weights come with the package.
DEFAULT_ENCODER = "tu-tf_efficientnet_lite0"
AUTO, RANDOM = "auto", "random"
IMAGENET, MICRONET, IMAGENET_MICRONET = "imagenet", "micronet", "imagenet-micronet"
# These are fetched from where their makers offer them.
FOREIGN = (IMAGENET, MICRONET, IMAGENET_MICRONET)
NAMES = (AUTO, RANDOM, *FOREIGN)
# Encoders that come with the package as people call them, and what their weights learnt from.
PLAIN_NAMES = {
    DEFAULT_ENCODER: ("EfficientNet-Lite0", "photographs"),
    "resnet18": ("ResNet-18", "simulated micrographs"),
}
# Said of the option ``encoder`` wherever there is one, after what the encoder is there for.
ENCODER_HELP = (
    "With the package come weights of "
    + " and of ".join(f"{encoder} ({name}, learnt from {what})" for encoder, (name, what) in PLAIN_NAMES.items())
    + ". Any other of segmentation-models-pytorch can be named, too, or tu-NAME for one of timm."
)
_LEARNT_FROM = {
    IMAGENET: "photographs", MICRONET: "micrographs", IMAGENET_MICRONET: "photographs, then micrographs",
    RANDOM: "untrained",
}  # fmt: skip
# Said of the option ``weights`` wherever there is one.
WEIGHTS_HELP = (
    "'auto': the weights that come with the package for this encoder, if there are any; 'random'; 'imagenet' "
    "(photographs), 'micronet' or 'imagenet-micronet' (NASA's micrographs), downloaded once; or a file: a model "
    "(MODEL.safetensors), whose classes may be others, or an encoder's weights (.safetensors, .pth)."
)

_MICRONET_URL = "https://nasa-public-data.s3.amazonaws.com/microscopy_segmentation_models/"
_MICRONET_PAPER = "NASA MicroNet, Stuckner et al. 2022, doi 10.1038/s41524-022-00878-5"
_MICRONET_LICENCE = "MIT"
# As the makers' table lists them, but for networks that segmentation-models-pytorch does not have.
_MICRONET_BOTH = (
    "densenet121", "densenet161", "densenet169", "densenet201", "dpn107", "dpn131", "dpn68", "dpn68b", "dpn92", "dpn98",
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3", "efficientnet-b4", "efficientnet-b5",
    "inceptionresnetv2", "inceptionv4", "mobilenet_v2", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext50_32x4d", "se_resnet101", "se_resnet152", "se_resnet50", "se_resnext101_32x4d",
    "se_resnext50_32x4d", "senet154", "vgg11_bn", "vgg13_bn", "vgg16_bn", "xception",
)  # fmt: skip
# The makers' own tests of these two say that they learnt nothing (vgg11, vgg13: 1 and 2 % correct): left out.
_MICRONET_AFTER_IMAGENET = (*_MICRONET_BOTH, "efficientnet-b6", "efficientnet-b7")


@dataclass(frozen=True)
class Offer:
    """Weights of one encoder that somebody offers.

    Attributes
    ----------
    encoder, weights
        Names that the options take.
    source, licence
        Who made them from what; the terms, as far as they are stated.
    url
        Where the file is; empty for those that come with the package.
    digest
        First hexadecimal digits of the file's SHA-256; empty if nobody publishes it.
    megabytes
        Size of the file, 0 if unknown.
    path
        Where the file is, or will be.
    """

    encoder: str
    weights: str
    source: str
    licence: str
    url: str
    path: Path
    digest: str = ""
    megabytes: float = 0.0


def plain_name(encoder: str, weights: str = AUTO) -> str:
    """Encoder in words for people; one that does not come with the package keeps its name.

    Examples
    --------
    >>> plain_name("resnet18"), plain_name("resnet18", "micronet"), plain_name("resnet18", "mine.safetensors")
    ('ResNet-18 (simulated micrographs)', 'ResNet-18 (micrographs)', 'ResNet-18')
    >>> plain_name("tu-convnext_atto")
    'tu-convnext_atto'
    """
    if encoder not in PLAIN_NAMES:
        return encoder
    name, shipped = PLAIN_NAMES[encoder]
    learnt_from = shipped if weights == AUTO else _LEARNT_FROM.get(weights)
    return f"{name} ({learnt_from})" if learnt_from else name


def cached(encoder: str, weights: str, url: str) -> Path:
    """Place of a downloaded file in the user's cache folder."""
    extension = ".safetensors" if url.endswith(".safetensors") else ".pth"
    return cache_folder() / "weights" / f"{encoder}-{weights}{extension}"


def micronet_offers() -> list[Offer]:
    """NASA's encoders: learnt on more than 100 000 micrographs, from random or from ImageNet's weights."""
    names = [(encoder, MICRONET) for encoder in _MICRONET_BOTH]
    names += [(encoder, IMAGENET_MICRONET) for encoder in _MICRONET_AFTER_IMAGENET]
    return [_micronet(encoder, weights) for encoder, weights in names]


def _micronet(encoder: str, weights: str) -> Offer:
    kind = "microscopynet" if weights == MICRONET else "imagenet-microscopynet"
    # One of them was trained again, another is filed under a shorter name.
    version = "1.1" if (encoder, weights) == ("resnet50", MICRONET) else "1.0"
    name = "resnext101" if (encoder, weights) == ("resnext101_32x8d", MICRONET) else encoder
    url = f"{_MICRONET_URL}{name}_pretrained_{kind}_v{version}.pth.tar"
    before = ", from ImageNet's weights" if weights == IMAGENET_MICRONET else ""
    path = cached(encoder, weights, url)
    return Offer(encoder, weights, _MICRONET_PAPER + before, _MICRONET_LICENCE, url, path)
