"""Encoders that segmentation networks can be built on."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp


def encoders_at_hand() -> list[dict[str, Any]]:
    """Name and weights of each encoder of segmentation-models-pytorch; timm's go by ``tu-<name>``."""
    return [{"name": name, "weights": "random", "licence": "BSD-3-Clause"} for name in sorted(smp.encoders.encoders)]
