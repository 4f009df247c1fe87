"""`visualccc process`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_visualccc.commands.base import (
    Answer,
    Command,
    choice_flags,
    chosen_plane,
    chosen_signals,
    declare_choice,
    declare_device,
    declare_seed,
)
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.pixel_size import Axis
    from napari_visualccc.processing import Pipeline
    from napari_visualccc.processing.frames import Frame


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="Image file, or folder of images (one stack).")
    parser.add_argument(
        "--step", metavar="NAME[:key=value,…]", action="append", default=[], dest="steps",
        help="A step; give it as often as there are steps, in order. Lengths: 3px, or 1.5nm in calibrated images.",
    )  # fmt: skip
    parser.add_argument("--recipe", metavar="FILE", help="Steps from a recipe file; those of --step come after them.")
    parser.add_argument("--save-recipe", metavar="FILE", help="Write the steps into a recipe file.")
    parser.add_argument("--output", metavar="DIR", help="Folder for the processed images and tables.")
    declare_choice(parser)
    parser.add_argument("--format", choices=["tiff", "zarr"], default="tiff", help="OME-TIFF or OME-Zarr.")
    parser.add_argument("--list", action="store_true", help="List all steps with their options, and do nothing else.")
    declare_seed(parser)
    declare_device(parser, " (processing: CPU)")


def _process(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.processing import Pipeline

    if arguments.list:
        return _catalogue()
    if arguments.path is None or arguments.output is None:
        raise OptionError("give an image and a folder: visualccc process PATH --step NAME --output DIR")
    recipe = Pipeline.load(arguments.recipe) if arguments.recipe else Pipeline()
    pipeline = Pipeline(recipe.steps + Pipeline.parse(arguments.steps).steps)
    if not pipeline.active:
        raise OptionError("there is nothing to do: give --step NAME or --recipe FILE; --list names all steps")
    outputs, images = _run(arguments, pipeline, progress)
    if arguments.save_recipe:
        outputs.append(str(pipeline.save(arguments.save_recipe)))
    return {"outputs": outputs, "images": images, "steps": [str(step) for step in pipeline.active]}


def _run(arguments: argparse.Namespace, pipeline: Pipeline, progress: Progress) -> tuple[list[str], list[Answer]]:
    """Process all images of the path; the files written, and what is in them."""
    from napari_visualccc.core.results import Stopwatch
    from napari_visualccc.io import read
    from napari_visualccc.io.writers import write_result
    from napari_visualccc.processing import apply

    signals = chosen_signals(read(arguments.path), arguments)
    outputs: list[str] = []
    images: list[Answer] = []
    for number, signal in enumerate(signals):
        part = progress.part(number / len(signals), (number + 1) / len(signals))
        planes, axes = chosen_plane(signal, arguments.plane)
        watch = Stopwatch()
        result = apply(
            pipeline, planes, pixel_size=signal.pixel_size, name=str(arguments.path),
            arguments=[str(arguments.path), *choice_flags(arguments)], progress=part.part(0, 0.3),
        )  # fmt: skip
        for made in result.planes.values():
            for index in part.part(0.3, 0.95).steps(range(result.frame.count), message="processing"):
                made.compute(index, part.quiet())
        result = result.after(watch.seconds)
        stem = Path(arguments.path).stem + (f"_{number}" if len(signals) > 1 else "")
        written = write_result(
            result, arguments.output, stem, axes_after(axes, result.frame), zarr=arguments.format == "zarr"
        )
        outputs += [str(path) for path in written]
        size = result.frame.pixel_size
        images.append(
            {
                "name": signal.name,
                "shape": [*planes.leading, *result.frame.shape],
                "content": result.frame.content,
                "pixel_size": [size.y, size.x],
                "unit": size.unit,
                "provenance": result.provenance.as_dict(),
            }
            | {name: table.to_dict("records") for name, table in result.tables.items()}
        )
        part(1.0)
    return outputs, images


def axes_after(axes: tuple[Axis, ...], frame: Frame) -> tuple[Axis, ...]:
    """Axes of what was processed: its own size, pixel size and place."""
    plane = [
        replace(axis, size=size, scale=axis.scale * spacing, offset=axis.offset + axis.scale * origin)
        for axis, size, spacing, origin in zip(axes[-2:], frame.shape, frame.spacing, frame.origin, strict=True)
    ]
    return (*axes[:-2], *plane)


def _catalogue() -> Answer:
    """All steps with their options."""
    from napari_visualccc.core.params import specs
    from napari_visualccc.processing.registry import STEPS

    return {
        "steps": [
            {
                "name": step.name,
                "group": step.group,
                "help": step.help,
                "options": {spec.name: spec.text(spec.default) for spec in specs(step.options)},
            }
            for step in STEPS.values()
        ]
    }


def _show(answer: Answer) -> list[str]:
    if "outputs" not in answer:
        return [
            f"{step['name']:<12} {step['help']}\n{'':<12} "
            + ", ".join(f"{key}={value}" for key, value in step["options"].items())
            for step in answer["steps"]
        ]
    lines = []
    for image in answer["images"]:
        y, x = image["pixel_size"]
        unit = image["unit"]
        size = "not calibrated" if unit == "px" else f"pixel {y:.5g} × {x:.5g} {unit} (y × x)"
        lines.append(f"{image['name']}: {' × '.join(map(str, image['shape']))} {image['content']}, {size}")
        for row in image.get("drift", []):
            lines.append("  " + ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    return lines + [f"wrote {path}" for path in answer["outputs"]]


COMMANDS = (
    Command("process", "Filter, correct, threshold and align images, step by step.",
            "visualccc process scan.dm4 --step median --step flat_field:sigma=50nm --step otsu --output processed",
            _declare, _process, _show),
)  # fmt: skip
