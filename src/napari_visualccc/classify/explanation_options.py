"""What a user can choose about explaining a network's answer."""

from __future__ import annotations

from dataclasses import dataclass

from napari_visualccc.core.params import Options, option

# Names for people.
METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "eigencam": "EigenCAM",
    "scorecam": "Score-CAM",
    "ig": "Integrated Gradients",
    "occlusion": "Occlusion",
}
# Methods whose heat of one image says nothing about that of another, and why.
OWN_SCALE = {
    "eigencam": "EigenCAM finds the direction that stands out in each image by itself",
    "scorecam": "Score-CAM's weights sum to 1 in each image",
}
PREDICTED = "predicted"
AUTO = "auto"


@dataclass(frozen=True)
class ExplainOptions(Options):
    """How to explain what a network answers."""

    method: str = option(
        "gradcam", label="Method", choices=tuple(METHODS),
        help="Class activation maps from one layer; 'scorecam' needs no gradients, but some forty passes; 'ig' "
        "(Integrated Gradients) and 'occlusion' work at the pixels of the image and are slow; 'eigencam' shows what "
        "stands out to the network, whatever the class.",
    )  # fmt: skip
    target: str = option(
        PREDICTED, label="Class",
        help="Class to explain, by name or number. 'predicted' takes the likeliest class of each plane; for a network "
        "that segments, the class that covers most of the plane, the first (the background) aside.",
    )  # fmt: skip
    layer: str = option(
        AUTO, label="Layer", advanced=True,
        help="Layer whose maps are combined, as PyTorch names it (encoder.layer3), or several side by side, separated "
        "by commas; 'auto' takes the deepest of a classifier (all that it looks at side by side), and the end of the "
        "decoder of a network that segments. Shallower layers are finer and have less to do with the class.",
    )  # fmt: skip
    region: str = option(
        "class", label="Ask about", choices=("class", "everywhere"), advanced=True,
        help="For networks that segment: why the pixels that are called the class are called so ('class'), or what "
        "speaks for the class in the whole plane ('everywhere').",
    )  # fmt: skip
    scale: str = option(
        "stack", label="Scale", choices=("stack", "plane"), advanced=True,
        help="'stack': one scale for all planes, so that their heat can be compared; 'plane': each from 0 to 1.",
    )  # fmt: skip
    faithfulness: bool = option(
        True, label="Judge the heatmaps",
        help="Measure how fast the class appears and disappears when pixels are shown or hidden in the order of their "
        "heat, against random, edge and empty maps.",
    )  # fmt: skip
    judged: int = option(
        8, label="Planes judged", minimum=1, maximum=10_000, advanced=True,
        help="At most so many planes, evenly spread over the stack, are judged: each takes some hundred passes.",
    )  # fmt: skip
    passes: int = option(
        40, label="Channels tried", minimum=0, maximum=10_000, advanced=True,
        help="Of Score-CAM, per plane: the scores of the others are interpolated; 0 tries all, as in the paper.",
    )  # fmt: skip
    steps: int = option(
        32, label="Steps", minimum=2, maximum=1000, advanced=True,
        help="Of Integrated Gradients, from grey to the image.",
    )  # fmt: skip
    window: int = option(
        48, label="Square", minimum=2, maximum=4096, unit="px", advanced=True,
        help="Edge of the square that occlusion covers, in pixels as the network sees them; it moves by half of it.",
    )  # fmt: skip
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed, same heatmaps and judgement."
    )  # fmt: skip
