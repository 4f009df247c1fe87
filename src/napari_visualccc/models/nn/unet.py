"""Segmentation networks by name, for one grey channel in and one score per class out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.architectures import DECODERS, REDUCTIONS, WITH_LATTICE
from napari_visualccc.models.nn.spectra import LEVEL, STEP, SpectrumLevel
from napari_visualccc.models.zoo import DEFAULT_ENCODER

# In the card: tells these networks from others.
KIND = "encoder-decoder"
# Channels of what works at half the resolution or more: nearly all of the time is spent there. Earlier models had more.
WIDTH, _FORMER_WIDTH = 32, 64
# How much differences from the local mean are enlarged.
_GAINS = (2.0, 8.0, 32.0)
# The reduced body is cheap: its decoder hands on more than smp's 16 channels, at last `Architecture.width`.
_DECODER_CHANNELS = (256, 128, 64, 64)


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
        1, 2 or 4: the body sees the image reduced by this factor, a shallow level above it draws the detail.
    lattice
        Whether the decoder is also shown the local power spectrum, for lattice images.
    head_kernel
        Edge of the kernel of the last layer, which draws 2×2 pixels per class: 3, or 1 in models from before.
    width
        Channels of the level that draws the detail, and of what the decoder hands it: 32, or 64 in models from before.
    """

    decoder: str = "unet"
    encoder: str = DEFAULT_ENCODER
    classes: int = 2
    reduction: int = 2
    lattice: bool = False
    head_kernel: int = 3
    width: int = WIDTH

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
            parts = str(record["decoder"]), str(record["encoder"]), int(record["classes"]), int(record["reduction"])
            # Models from before the power spectrum have none; earlier ones say nothing of their head and width.
            lattice, head_kernel = bool(record.get("lattice", False)), int(record.get("head_kernel", 1))
            return cls(*parts, lattice, head_kernel, int(record.get("width", _FORMER_WIDTH)))
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"the model's card does not describe a segmentation network: {error}") from error


class SegmentationNetwork(nn.Module):
    """A U-Net whose deep body looks at the reduced image, under a shallow level that draws the detail.

    Micrographs want two things at once: outlines to the pixel, and a field of view wide enough to tell one grey layer
    from another. A body at full resolution spends nearly all its time on the first and sees little of the second.
    At half the resolution its field of view is twice as wide and its cost a quarter. The detail level above it works
    at half the resolution too, but loses no pixel: each 2×2 pixels come in as four channels, and go out as four scores
    per class (Shi et al. 2016, doi 10.1109/CVPR.2016.207), which is three times faster than convolutions at full
    resolution and as exact. ::

        image ─ Greys ─┬─ 2×2 pixels to channels ─ 32 ch, half ───────── ⊕ ─ 32 ch ─ 4 scores per class to 2×2 pixels
                       └─ mean of 2×2 ─ encoder ─ decoder ─ enlarge ─────┘

    With ``reduction=1`` the body works at full resolution, and so does the detail level.

    With ``lattice=True`` it also looks at the local power spectrum (`spectra`): the level of the encoder that has a
    sixteenth of the image's resolution is joined by what is seen there, and so are the scores. The first lets the
    decoder draw outlines between lattices; the second is learnt at once, without waiting for the decoder.
    """

    # Half precision would round off the faint differences that `Greys` enlarges.
    takes_float32 = True

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        body = _body(architecture)
        self.encoder, self.decoder = body.encoder, body.decoder
        width = body.segmentation_head[0].in_channels
        self.upsampling = body.segmentation_head[1]
        self.reduction = architecture.reduction
        self.cell = min(2, self.reduction)
        detail = architecture.width if self.cell > 1 else WIDTH
        self.greys = Greys()
        self.down = _block(self.greys.channels * self.cell**2, detail)
        self.up = _block(width + detail, detail)
        self.head = _head(detail, architecture, self.cell)
        # The level of the encoder that has a sixteenth of the image's resolution.
        self._level = LEVEL - self.reduction.bit_length() + 1
        self.spectrum = None
        if architecture.lattice:
            self.spectrum = SpectrumLevel(self.encoder.out_channels[self._level])
            self.head_spectrum = nn.Conv2d(self.spectrum.seen, architecture.classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of shape (N, classes, Y, X) for images of shape (N, 1, Y, X), sides multiples of `multiple`."""
        greys, grey = self.greys(images)
        detail = self.down(F.pixel_unshuffle(greys, self.cell))
        reduced = F.avg_pool2d(grey, self.reduction) if self.reduction > 1 else grey
        levels = self.encoder(reduced)
        if self.spectrum is not None:
            joined, seen = self.spectrum(images, levels[self._level])
            levels = [*levels[: self._level], joined, *levels[self._level + 1 :]]
        values = self.upsampling(self.decoder(levels))
        if self.reduction > self.cell:
            values = F.interpolate(values, scale_factor=self.reduction / self.cell, mode="bilinear")
        scores = F.pixel_shuffle(self.head(self.up(torch.cat([values, detail], dim=1))), self.cell)
        if self.spectrum is not None:
            scores = scores + F.interpolate(self.head_spectrum(seen), scale_factor=float(STEP), mode="bilinear")
        return scores

    @property
    def multiple(self) -> int:
        """Image sides must be multiples of this."""
        return 32 * self.reduction

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def expect(self, ratios: NDArray[np.float64]) -> None:
        """Take each class to be so many times more common than it was in training (Bayes' rule)."""
        shift = torch.from_numpy(np.log(ratios)).to(self.head.bias)
        self.head.bias.add_(shift.repeat_interleave(self.cell**2))


class Greys(nn.Module):
    """The image beside itself at higher contrast, around the grey of its neighbourhood.

    Two layers of a cross-section may differ by a tenth of the image's standard deviation, which a bright coating
    beside them sets: too little for a network to notice before it has found simpler, worse rules. Here differences
    from the local mean are enlarged, and saturate softly. The encoder, which takes one grey channel, gets a mixture
    whose shares are learnt.
    """

    channels = 1 + len(_GAINS)

    def __init__(self) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.full((self.channels,), 1 / self.channels))

    @property
    def is_plain(self) -> bool:
        """Whether the mixture is the image itself."""
        return bool(self.shares[0] == 1 and not self.shares[1:].any())

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Greys of shape (N, `channels`, Y, X) and their mixture of shape (N, 1, Y, X)."""
        images = images.float()
        difference = images - _neighbourhood(images)
        greys = torch.cat([images, *(torch.tanh(gain * difference) for gain in _GAINS)], dim=1)
        mixture = (greys * self.shares.float()[:, None, None]).sum(dim=1, keepdim=True)
        dtype = self.shares.dtype
        return greys.to(dtype), mixture.to(dtype)


def _neighbourhood(images: torch.Tensor) -> torch.Tensor:
    """Mean around each pixel, over about 70 pixels."""
    size = images.shape[-2:]
    coarse = F.avg_pool2d(images, 8, ceil_mode=True, count_include_pad=False)
    for _ in range(2):
        coarse = F.avg_pool2d(coarse, 5, stride=1, padding=2, count_include_pad=False)
    return F.interpolate(coarse, scale_factor=8.0, mode="bilinear")[..., : size[0], : size[1]]


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
    if architecture.head_kernel not in (1, 3):
        raise OptionError(f"head_kernel must be 1 or 3, not {architecture.head_kernel}")
    if architecture.width not in (WIDTH, _FORMER_WIDTH):
        raise OptionError(f"width must be {WIDTH} or {_FORMER_WIDTH}, not {architecture.width}")
    if architecture.decoder not in DECODERS:
        raise OptionError(f"decoder {architecture.decoder!r} is not known: choose one of {', '.join(DECODERS)}")
    if architecture.lattice and architecture.decoder not in WITH_LATTICE:
        raise OptionError(
            f"decoder {architecture.decoder!r} does not look where the power spectrum of lattice fringes goes: choose "
            f"one of {', '.join(WITH_LATTICE)}"
        )
    try:
        words: dict[str, Any] = {"encoder_weights": None, "in_channels": 1, "classes": architecture.classes}
        if architecture.reduction > 1 and architecture.decoder.startswith("unet"):
            words["decoder_channels"] = (*_DECODER_CHANNELS, architecture.width)
        return smp.create_model(architecture.decoder, architecture.encoder, **words)
    except (KeyError, ValueError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OptionError(
            f"encoder {architecture.encoder!r} cannot be used with {architecture.decoder}: {reason}"
        ) from error


@torch.no_grad()  # type: ignore[untyped-decorator]
def _head(channels: int, architecture: Architecture, cell: int) -> nn.Conv2d:
    """Scores for each pixel of a cell, at first interpolated between the cells.

    Weights drawn for each pixel of a cell on its own would show as a pattern of cells until it is unlearnt. With the
    same ones for all (Aitken et al. 2017, arXiv 1707.02937) it takes long to learn any detail within a cell; a linear
    interpolation is smooth at once, and its larger kernel is quick to learn outlines to the pixel.
    """
    classes, edge = architecture.classes, architecture.head_kernel if cell > 1 else 1
    head = nn.Conv2d(channels, classes * cell**2, edge, padding=edge // 2)
    if edge == 3:
        coarse = nn.Conv2d(channels, classes, 1)
        # The first pixel of two lies a quarter of a cell before the middle, the second one behind it.
        shares = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
        kernels = torch.einsum("iy,jx->ijyx", shares, shares).reshape(cell**2, 1, edge, edge)
        head.weight.copy_((coarse.weight[:, None] * kernels).flatten(0, 1))
        head.bias.copy_(coarse.bias.repeat_interleave(cell**2))
    return head


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
    )  # fmt: skip
