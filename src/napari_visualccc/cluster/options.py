"""What a user can choose about clustering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_visualccc.cluster.features import GROUPS
from napari_visualccc.core.params import Options, option

MAXIMUM_K = 50
INTENSITY = "intensity"


@dataclass(frozen=True)
class ClusterOptions(Options):
    """How to group pixels."""

    k: Any = option(
        4, label="Clusters (k)", help="How many groups to make; 'auto' takes the k of best silhouette.",
        kind="int", auto=True, minimum=1, maximum=MAXIMUM_K,
    )  # fmt: skip
    features: tuple[str, ...] = option(
        (INTENSITY,), label="Features", choices=tuple(GROUPS),
        help="What makes pixels alike: brightness, or also their surroundings. 'network' is what the pre-trained "
        "network sees there, 'lattice' the spacings of lattice fringes. Each group counts alike.",
    )  # fmt: skip
    min_size: int = option(
        0, label="Remove specks below", minimum=0, maximum=10**9, unit="px",
        help="Patches smaller than this are given to the cluster around them; 0 keeps all.",
    )  # fmt: skip
    scales: tuple[float, ...] = option(
        (1.0, 2.0, 4.0), label="Scales", minimum=0.3, maximum=64.0, unit="px", advanced=True,
        help="Standard deviations at which surroundings are looked at, separated by commas.",
    )  # fmt: skip
    position_weight: float = option(
        0.5, label="Weight of position", minimum=0.0, maximum=10.0, step=0.1, advanced=True,
        help="How much 'position' counts beside the other groups; more gives more compact regions.",
    )  # fmt: skip
    sample_pixels: int = option(
        200_000, label="Pixels to fit", minimum=1000, maximum=10_000_000, step=50_000, unit="px", advanced=True,
        help="How many randomly drawn pixels the clusters are fitted to when there is more than one feature.",
    )  # fmt: skip
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed, same result."
    )  # fmt: skip
