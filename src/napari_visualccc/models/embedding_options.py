"""How a micrograph becomes one vector: the options, readable without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from napari_visualccc.core.params import Options, option
from napari_visualccc.models.zoo import DEFAULT_ENCODER, ENCODER_HELP, WEIGHTS_HELP


@dataclass(frozen=True)
class EmbeddingOptions(Options):
    """What looks at the micrographs, and at what pixel size."""

    encoder: str = option(
        DEFAULT_ENCODER,
        label="Encoder",
        help="Network that looks at the micrographs. " + ENCODER_HELP,
        advanced=True,
    )
    weights: str = option(
        "auto",
        label="Weights",
        help=WEIGHTS_HELP,
        advanced=True,
    )
    pixel_nm: float = option(
        0.0,
        label="Common pixel size",
        help="Look at all calibrated micrographs at this pixel size, so that the same structure looks the same at any "
        "magnification. 0: each as it is.",
        minimum=0.0,
        maximum=1e6,
        unit="nm",
        advanced=True,
    )
    crops: int = option(
        9,
        label="Crops",
        help="A micrograph of more pixels is seen through so many crops of 512 × 512, spread evenly, instead of being "
        "shrunk.",
        minimum=1,
        maximum=400,
        advanced=True,
    )
