"""Timing for benchmarks: the best of several runs, because other work on the machine only ever adds time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any


def best_of(runs: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the fastest run, and the result of the last."""
    seconds = []
    result = None
    for _ in range(runs):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def report(name: str, wanted: dict[str, tuple[float, str, float]], **details: Any) -> bool:
    """Print measured numbers against their targets as one JSON object; True if all are met.

    `wanted` maps a name to (measured, ">=" or "<=", target).
    """
    checks = {
        key: {
            "measured": round(value, 6),
            "target": f"{sign} {target:g}",
            "met": value >= target if sign == ">=" else value <= target,
        }
        for key, (value, sign, target) in wanted.items()
    }
    print(json.dumps({"benchmark": name, "checks": checks, **details}, indent=2), flush=True)
    return all(check["met"] for check in checks.values())
