"""What a user can choose about training a segmentation network and about using it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_visualccc.core.params import Options, option
from napari_visualccc.models.architectures import DECODERS, LOSSES
from napari_visualccc.models.symmetry import SYMMETRIES
from napari_visualccc.models.zoo import DEFAULT_ENCODER, ENCODER_HELP, WEIGHTS_HELP

LATTICE_CHOICES = ("auto", "on", "off")
_LATTICE_HELP = (
    "Also look at the local power spectrum, which tells crystals apart by the spacings and directions of their lattice "
    "fringes, however they are turned. 'auto' looks whether fringes are seen in at least half of the images."
)
_SHARES_HELP = (
    "Judge from the images how much of the area each phase takes, instead of from how much of it was painted; for "
    "strokes, not for whole masks."
)


@dataclass(frozen=True)
class TrainOptions(Options):
    """How to train a segmentation network."""

    max_minutes: float = option(
        10.0, label="Training time", minimum=0.05, maximum=10_000.0, step=1.0, unit="min",
        help="Budget of the training. You can stop earlier (in a terminal by Ctrl-C) and keep the best model so far.",
    )  # fmt: skip
    encoder: str = option(
        DEFAULT_ENCODER, label="Encoder",
        help="Part that recognises structure. " + ENCODER_HELP,
    )  # fmt: skip
    weights: str = option(
        "auto", label="Begin with", advanced=True, help=WEIGHTS_HELP,
    )  # fmt: skip
    decoder: str = option(
        "unet", label="Decoder", choices=DECODERS, advanced=True,
        help="Part that draws the phases from what the encoder saw.",
    )  # fmt: skip
    reduction: str = option(
        "2", label="Field of view", choices=("1", "2", "4"), advanced=True,
        help="Factor by which the encoder sees the image reduced, and its field of view widened; a shallow level above "
        "it draws the detail. 1 is the classic U-Net, three times as slow.",
    )  # fmt: skip
    lattice: str = option("auto", label="Lattice fringes", choices=LATTICE_CHOICES, help=_LATTICE_HELP, advanced=True)
    invert: float = option(
        0.0, label="Inverted contrast", minimum=0.0, maximum=1.0, step=0.1, advanced=True,
        help="Share of patches shown inverted, for models that must work in bright and dark field.",
    )  # fmt: skip
    steps: int = option(
        0, label="Steps", minimum=0, maximum=10_000_000, advanced=True,
        help="Learn for so many steps instead of for a time; 0 for no number. If the training time is over before, it "
        "ends there, and says so. The same number of steps with the same seed gives the same model again, which a time "
        "budget does not.",
    )  # fmt: skip
    patch: Any = option(
        "auto", label="Patch", kind="int", auto=True, minimum=32, maximum=4096, step=32, unit="px", advanced=True,
        help="Edge of the patches that the network learns from; 'auto' takes half the size of the images, at most "
        "256, or 512 from 15 minutes on.",
    )  # fmt: skip
    batch: Any = option(
        "auto", label="Patches per step", kind="int", auto=True, minimum=1, maximum=512, advanced=True,
        help="'auto' takes four.",
    )  # fmt: skip
    learning_rate: float = option(
        1e-3, label="Learning rate", minimum=1e-7, maximum=1.0, step=1e-4, advanced=True,
        help="Of AdamW, at its highest.",
    )  # fmt: skip
    loss: str = option(
        "ce_dice", label="Loss", choices=LOSSES, advanced=True,
        help="Cross entropy or focal loss with Dice, or with the Lovász extension of the IoU.",
    )  # fmt: skip
    rare_weight: float = option(
        0.5, label="Weight of rare phases", minimum=0.0, maximum=1.0, step=0.05, advanced=True,
        help="At first a phase counts by its share to the power of minus this (0 all pixels alike, 1 all phases "
        "alike); towards the end of the training all pixels count alike.",
    )  # fmt: skip
    rare_patches: float = option(
        0.5, label="Patches on rare phases", minimum=0.0, maximum=1.0, step=0.1, advanced=True,
        help="At first, share of patches centred on a phase that is drawn with equal chances; none towards the end.",
    )  # fmt: skip
    rotation: Any = option(
        "auto", label="Turned patches", kind="float", auto=True, minimum=0.0, maximum=1.0, step=0.1, advanced=True,
        help="Share of patches turned by any angle and zoomed, beside mirroring and quarter turns; 'auto' takes 0.4 "
        "where they are zoomed by more than 1.5, else 0.2.",
    )  # fmt: skip
    scale: Any = option(
        "auto", label="Zoom", kind="float", auto=True, minimum=1.0, maximum=4.0, step=0.05, advanced=True,
        help="Largest factor by which turned patches are enlarged or shrunk; 'auto' takes 2 where images do not tell "
        "their pixel size, so that phases are known again at other magnifications, and 1.25 where they do, where they "
        "are 50 or more, or where lattice fringes are seen, which are told by their spacing.",
    )  # fmt: skip
    contrast: float = option(
        0.2, label="Contrast changes", minimum=0.0, maximum=2.0, step=0.05, advanced=True,
        help="How far brightness, contrast and γ of the patches vary (standard deviation).",
    )  # fmt: skip
    shade: float = option(
        0.3, label="Shade", minimum=0.0, maximum=2.0, step=0.1, advanced=True,
        help="How far the brightness of a third of the patches changes from edge to edge (standard deviation), as "
        "under an uneven beam. 0 where all images are lit evenly and phases differ by little else than their grey.",
    )  # fmt: skip
    noise: float = option(
        1.5, label="Added noise", minimum=0.0, maximum=10.0, step=0.25, advanced=True,
        help="Largest Gaussian or Poisson noise, in multiples of the noise that the image has already: 1.5 as at a "
        "third of the dose.",
    )  # fmt: skip
    blur: float = option(
        1.0, label="Added blur", minimum=0.0, maximum=2.0, step=0.1, unit="px", advanced=True,
        help="Largest standard deviation of a Gaussian blur.",
    )  # fmt: skip
    symmetry: str = option(
        "auto", label="Mirror and turn", choices=("auto", *SYMMETRIES), advanced=True,
        help="Views in which patches are shown: all eight mirrored and quarter-turned ones, or only those mirrored "
        "left-right or up-down where layers lie one above the other; 'auto' looks whether all images have such layers.",
    )  # fmt: skip
    fill: bool = option(
        True, label="Learn from Quick, too", advanced=True,
        help="With strokes: also learn from pixels of the painted planes that a quick model is 95 % sure of, unless it "
        "proves wrong on strokes kept aside. What is painted has the last word.",
    )  # fmt: skip
    shares: bool = option(True, label="Judge area shares", advanced=True, help=_SHARES_HELP)
    validation: float = option(
        0.2, label="Held out", minimum=0.0, maximum=0.9, step=0.05, advanced=True,
        help="Share of the images (of the area, if there are fewer than four; a stack is one image) kept aside to "
        "measure quality when no validation images are given; 0 trains on everything.",
    )  # fmt: skip
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed and steps, same model."
    )  # fmt: skip


@dataclass(frozen=True)
class QuickOptions(Options):
    """How to train a pixel classifier."""

    levels: int = option(
        5, label="Scales", minimum=1, maximum=7, advanced=True,
        help="How many scales are looked at, each twice as coarse as the one before: 5 sees about 100 pixels around.",
    )  # fmt: skip
    context: bool = option(
        True, label="Pre-trained features", advanced=True,
        help="Also look at what the pre-trained network sees around each pixel (with 3 scales or more).",
    )  # fmt: skip
    lattice: str = option("auto", label="Lattice fringes", choices=LATTICE_CHOICES, help=_LATTICE_HELP, advanced=True)
    shares: bool = option(True, label="Judge area shares", advanced=True, help=_SHARES_HELP)
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed and strokes, same model."
    )  # fmt: skip


@dataclass(frozen=True)
class PredictOptions(Options):
    """How to apply a trained network."""

    tta: bool = option(
        False, label="Average views",
        help="Mean over all views of each tile in which the model learnt, mirrored and turned: a little better, up to "
        "eight times slower.",
    )  # fmt: skip
    uncertainty: bool = option(
        False, label="Confidence and entropy", help="Also give the probability of the chosen phase, and the entropy."
    )  # fmt: skip
    tile: int = option(
        1024, label="Tile", minimum=64, maximum=8192, step=64, unit="px", advanced=True,
        help="Edge of the tiles: up to an eighth larger where fewer of them then cover the image, smaller when memory "
        "runs out.",
    )  # fmt: skip
    overlap: int = option(
        128, label="Overlap", minimum=0, maximum=2048, step=32, unit="px", advanced=True,
        help="Least overlap of neighbouring tiles, over which they are blended.",
    )  # fmt: skip
    rescale: bool = option(
        True, label="Match pixel size", advanced=True,
        help="Resample images whose pixel size differs from the one the model learnt on, if both are calibrated.",
    )  # fmt: skip
