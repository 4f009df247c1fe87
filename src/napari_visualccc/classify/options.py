"""What a user can choose about training a classifier and about using it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_visualccc.core.params import Options, option
from napari_visualccc.models.symmetry import SYMMETRIES
from napari_visualccc.models.zoo import DEFAULT_ENCODER, ENCODER_HELP, WEIGHTS_HELP

METHODS = ("fast", "fine-tune")
# Of `TrainOptions`, what means nothing to 'fast'.
ONLY_TUNING = ("max_minutes", "epochs", "patience", "crop", "batch", "learning_rate")
SPLIT_NAMES = {"train": "train", "training": "train", "learn": "train", "val": "val", "valid": "val",
               "validation": "val", "dev": "val", "test": "test", "testing": "test"}  # fmt: skip


@dataclass(frozen=True)
class TrainOptions(Options):
    """How to train a classifier."""

    method: str = option(
        "fast", label="Method", choices=METHODS,
        help="'fast': the pre-trained network stays as it is and a regularised logistic regression looks at what it "
        "sees, in seconds; 'fine-tune': goes on from there and trains the whole network, in minutes.",
    )  # fmt: skip
    max_minutes: float = option(
        10.0, label="Training time", minimum=0.05, maximum=10_000.0, step=1.0, unit="min",
        help="Budget of fine-tuning. You can stop earlier (in a terminal by Ctrl-C) and keep the best model so far.",
    )  # fmt: skip
    encoder: str = option(
        DEFAULT_ENCODER, label="Encoder",
        help="Network that recognises structure. " + ENCODER_HELP,
    )  # fmt: skip
    weights: str = option(
        "auto", label="Begin with", advanced=True, help=WEIGHTS_HELP,
    )  # fmt: skip
    mask_marks: bool = option(
        True, label="Hide scale bars and text", advanced=True,
        help="Information bars, scale bars and words beside them are found and hidden, so that the class cannot be "
        "read from the magnification.",
    )  # fmt: skip
    epochs: int = option(
        0, label="Epochs", minimum=0, maximum=100_000, advanced=True,
        help="Fine-tune until each image was seen so often instead of for a time; 0 for no number. If the training "
        "time is over before, it ends there, and says so. The same number with the same seed gives the same model "
        "again, which a time budget does not.",
    )  # fmt: skip
    patience: int = option(
        8, label="Patience", minimum=1, maximum=1000, advanced=True,
        help="End fine-tuning when so many looks at the images held out in a row were no better.",
    )  # fmt: skip
    crop: Any = option(
        "auto", label="Crop", kind="int", auto=True, minimum=64, maximum=4096, step=32, unit="px", advanced=True,
        help="Edge of the crops that fine-tuning learns from, cut out of the images at their own aspect; 'auto' takes "
        "the shorter side of the images, at most 384.",
    )  # fmt: skip
    batch: int = option(
        16, label="Crops per step", minimum=2, maximum=512, advanced=True, help="Of fine-tuning."
    )  # fmt: skip
    learning_rate: float = option(
        3e-4, label="Learning rate", minimum=1e-7, maximum=1.0, step=1e-4, advanced=True,
        help="Of AdamW in fine-tuning, at its highest.",
    )  # fmt: skip
    rare_weight: float = option(
        0.5, label="Weight of rare classes", minimum=0.0, maximum=1.0, step=0.1, advanced=True,
        help="0: all images count alike, which is best for the share called right; 1: all classes do, however few "
        "images they have.",
    )  # fmt: skip
    symmetry: str = option(
        "all", label="Mirror and turn", choices=SYMMETRIES, advanced=True,
        help="Views of an image that mean the same: all eight mirrored and quarter-turned ones, or fewer where up and "
        "down, or left and right, differ.",
    )  # fmt: skip
    folds: int = option(
        5, label="Folds", minimum=2, maximum=20, advanced=True,
        help="Without a validation split quality is measured by cross-validation in so many parts, groups kept "
        "together; the model then learns from everything.",
    )  # fmt: skip
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed, same splits, same model."
    )  # fmt: skip


@dataclass(frozen=True)
class PredictOptions(Options):
    """How to apply a classifier."""

    class_map: bool = option(
        False, label="Class map",
        help="Also give the class in a window that slides over the plane, for large fields that hold several.",
    )  # fmt: skip
    window: Any = option(
        "auto", label="Window", kind="int", auto=True, minimum=64, maximum=8192, step=32, unit="px", advanced=True,
        help="Edge of the sliding window; 'auto' takes the shorter side of the images that the model learnt on, at "
        "most half of the plane's.",
    )  # fmt: skip
    stride: Any = option(
        "auto", label="Stride", kind="int", auto=True, minimum=32, maximum=8192, step=32, unit="px", advanced=True,
        help="Step of the sliding window; 'auto' takes a quarter of it.",
    )  # fmt: skip


@dataclass(frozen=True)
class EvaluateOptions(Options):
    """How to measure a classifier."""

    bootstrap: int = option(
        1000, label="Resamples", minimum=0, maximum=100_000, advanced=True,
        help="How often groups are drawn anew for the 95 % intervals; 0 gives no intervals.",
    )  # fmt: skip
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed, same intervals."
    )  # fmt: skip
