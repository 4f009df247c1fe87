"""What explaining does in the background: plain functions, without Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.progress import Progress
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.classify import ExplainOptions, Explanation
    from napari_visualccc.classify.explanation_questions import Model


def run_explain(
    model: Model, source: Source, options: ExplainOptions, model_name: str, *, progress: Progress
) -> Explanation:
    """Say what in the planes of a layer speaks for a class."""
    from napari_visualccc.classify import explain

    result = explain(
        model, source.planes, options, pixel_size=source.pixel_size, name=source.name,
        arguments=[model_name, *source.arguments, "--output", "explained"], progress=progress,
    )  # fmt: skip
    return replace(result, heat=source.fold(result.heat))


def run_heat(heat: Any, labels: Any, names: dict[int, str], *, progress: Progress) -> Any:
    """How much of the heat each phase carries."""
    from napari_visualccc.classify import heat_by_phase

    progress(0.1, "adding up the heat")
    return heat_by_phase(heat, labels, names)
