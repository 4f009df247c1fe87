"""Segmentation networks by name, for one grey channel in and one score per class out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.architectures import DECODERS, REDUCTIONS

# In the card: tells these networks from others.
KIND = "encoder-decoder"
# Channels of the levels at full and at half resolution, above a reduced body.
_DETAIL_WIDTHS = (32, 64)
# The reduced body is cheap: its decoder hands on more than smp's 16 channels.
_DECODER_CHANNELS = (256, 128, 64, 64, 64)


@dataclass(frozen=True)
class Architecture:
    """What is needed to build a segmentation network again.

    Attributes
    ----------
    decoder
        One of `DECODERS`.
    encoder
        Name of an encoder of segmentation-models-pytorch, or ``tu-<name>`` for one of timm.
    classes
        Number of output channels.
    reduction
        1, 2 or 4: the body sees the image reduced by this factor, thin levels above it draw the detail.
    """

    decoder: str = "unet"
    encoder: str = "resnet18"
    classes: int = 2
    reduction: int = 4
    context: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the card."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Architecture:
        """Architecture from a card.

        Raises
        ------
        OptionError
            If the card describes something else.
        """
        try:
            return cls(
                str(record["decoder"]),
                str(record["encoder"]),
                int(record["classes"]),
                int(record["reduction"]),
                int(record.get("context", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"the model's card does not describe a segmentation network: {error}") from error


class SegmentationNetwork(nn.Module):
    """A U-Net whose heavy body looks at the reduced image, under thin levels that draw the detail.

    Micrographs want two things at once: outlines to the pixel, and a field of view wide enough to tell one grey layer
    from another. A body at full resolution spends nearly all its time on the first and sees little of the second.
    At a quarter of the resolution its field of view is four times wider and its cost a sixteenth; two thin levels
    above it, with skips of their own, give the pixels back. ::

        image ─┬─ 16 ch, full ───────────────────────────── ⊕ ─ scores
               │    └─ 32 ch, half ──────────────── ⊕ ─ up ─┘
               └─ mean of 4×4 ─ encoder ─ decoder ─ up ─┘

    With ``reduction=1`` the body works at full resolution, beside one thin level.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        body = _body(architecture)
        self.encoder, self.decoder = body.encoder, body.decoder
        width = body.segmentation_head[0].in_channels
        self.upsampling = body.segmentation_head[1]
        self.reduction = architecture.reduction
        widths = _DETAIL_WIDTHS[: max(1, self.reduction.bit_length() - 1)]
        self.down = nn.ModuleList(_block(before, after) for before, after in zip((1, *widths), widths, strict=False))
        self.context = architecture.context
        if self.context:
            wide = _body(architecture)
            self.wide_encoder, self.wide_decoder = wide.encoder, wide.decoder
            width += wide.segmentation_head[0].in_channels
        self.up = nn.ModuleList()
        for detail in reversed(widths):
            self.up.append(_block(width + detail, detail))
            width = detail
        self.head = nn.Conv2d(width, architecture.classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of shape (N, classes, Y, X) for images of shape (N, 1, Y, X), sides multiples of `multiple`."""
        details = []
        values = images
        for level, block in enumerate(self.down):
            values = block(F.max_pool2d(values, 2) if level else values)
            details.append(values)
        reduced = F.avg_pool2d(images, self.reduction) if self.reduction > 1 else images
        values = self.upsampling(self.decoder(self.encoder(reduced)))
        if self.context:
            wide = self.wide_decoder(self.wide_encoder(F.avg_pool2d(images, self.context)))
            wide = F.interpolate(wide, scale_factor=float(self.context), mode="bilinear")
            values = torch.cat([values, wide], dim=1)
        for block, detail in zip(self.up, reversed(details), strict=True):
            if self.reduction > 1:
                values = F.interpolate(values, scale_factor=2.0, mode="nearest")
            values = block(torch.cat([values, detail], dim=1))
        return self.head(values)

    @property
    def multiple(self) -> int:
        """Image sides must be multiples of this."""
        return 32 * max(self.reduction, self.context)


def build(architecture: Architecture) -> SegmentationNetwork:
    """Make a network with random weights.

    Raises
    ------
    OptionError
        If there is no such decoder or encoder, or the two do not go together.
    """
    return SegmentationNetwork(architecture)


def _body(architecture: Architecture) -> Any:
    if architecture.reduction not in REDUCTIONS:
        raise OptionError(f"reduction must be one of {REDUCTIONS}, not {architecture.reduction}")
    if architecture.decoder not in DECODERS:
        raise OptionError(f"decoder {architecture.decoder!r} is not known: choose one of {', '.join(DECODERS)}")
    try:
        words: dict[str, Any] = {"encoder_weights": None, "in_channels": 1, "classes": architecture.classes}
        if architecture.reduction > 1 and architecture.decoder.startswith("unet"):
            words["decoder_channels"] = _DECODER_CHANNELS
        return smp.create_model(architecture.decoder, architecture.encoder, **words)
    except (KeyError, ValueError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OptionError(
            f"encoder {architecture.encoder!r} cannot be used with {architecture.decoder}: {reason}"
        ) from error


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
    )  # fmt: skip
