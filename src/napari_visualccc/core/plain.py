"""Values in types that JSON has."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """Value with NaN and infinity as null, NumPy numbers and arrays as plain ones, paths as text.

    Examples
    --------
    >>> plain({"iou": float("nan"), 1: (Path("a"), 2)})
    {'iou': None, '1': ['a', 2]}
    """
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
