"""All processing steps by name, in the order in which they are offered."""

from __future__ import annotations

import difflib

from napari_visualccc.core.errors import OptionError
from napari_visualccc.processing import (
    alignment,
    background,
    contrast,
    defects,
    denoise,
    edges,
    geometry,
    morphology,
    texture,
    thresholds,
)
from napari_visualccc.processing.step import Step

_TOPICS = (defects, alignment, geometry, background, denoise, contrast, edges, texture, thresholds, morphology)
STEPS: dict[str, Step] = {step.name: step for topic in _TOPICS for step in topic.STEPS}


def step_named(name: str) -> Step:
    """The step of that name.

    Raises
    ------
    OptionError
        If there is none; the words name one that looks alike.
    """
    if name in STEPS:
        return STEPS[name]
    alike = difflib.get_close_matches(name, STEPS, 1)
    hint = f"did you mean {alike[0]}?" if alike else f"there are {', '.join(STEPS)}"
    raise OptionError(f"there is no step {name!r}: {hint}")


def groups() -> dict[str, tuple[Step, ...]]:
    """Steps by the heading that they stand under."""
    found: dict[str, list[Step]] = {}
    for step in STEPS.values():
        found.setdefault(step.group, []).append(step)
    return {group: tuple(steps) for group, steps in found.items()}
