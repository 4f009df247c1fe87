"""`visualccc explain`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.commands.base import (
    Answer,
    Command,
    choice_flags,
    chosen_plane,
    chosen_signals,
    declare_choice,
    declare_device,
    warn,
)
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.classify.explanation_questions import Model
    from napari_visualccc.classify.explanation_result import Explanation
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.core.signals import ImageSignal

# Pictures are for looking at: no more than this many of one stack.
_MOST_PICTURES = 50


def _declare(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.classify.explanation_options import ExplainOptions

    parser.add_argument("model", metavar="MODEL", help="Model file: a classifier, or a network that segments.")
    parser.add_argument("path", metavar="PATH", help="Image file, or folder of images that are explained on one scale.")
    parser.add_argument("--output", metavar="DIR", required=True, help="Folder for heatmaps, pictures and tables.")
    parser.add_argument("--labels", metavar="PATH", help="Phases or clusters: also say how much heat each carries.")
    parser.add_argument(
        "--threshold", metavar="V|otsu", help="Also label what is hotter than a value between 0 and 1, or than Otsu's."
    )
    parser.add_argument(
        "--sanity", action="store_true", help="Also check that the heatmap changes when the network forgets (slow)."
    )
    declare_choice(parser)
    add_arguments(parser, ExplainOptions)
    declare_device(parser)


def load_model(path: str) -> Model:
    """Model of any kind that can be explained.

    Raises
    ------
    ModelError
        If it is another kind of file.
    """
    from napari_visualccc.core.errors import ModelError
    from napari_visualccc.models.files import read_card

    task = read_card(path).task
    if task == "segment":
        from napari_visualccc.segment import SegmentationModel

        return SegmentationModel.load(path)
    if task == "classify":
        from napari_visualccc.classify import ClassificationModel

        return ClassificationModel.load(path)
    raise ModelError(f"{path} is a model to {task}, which gives no answer that could be explained")


def _explain(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.classify import ExplainOptions, explain, heat_by_phase, label_heat
    from napari_visualccc.core.runtime import choose_device
    from napari_visualccc.io import read
    from napari_visualccc.io.writers import write_csv, write_result
    from napari_visualccc.models.nn.explainer import Explainer

    options = from_arguments(ExplainOptions, arguments)
    model = load_model(arguments.model)
    explainer = Explainer(model.network, choose_device(arguments.device))
    signals = chosen_signals(read(arguments.path), arguments)
    labels = _labels(arguments, signals)
    found: list[Answer] = []
    for number, signal in enumerate(signals):
        part = progress.part(number / len(signals), (number + 1) / len(signals))
        planes, axes = chosen_plane(signal, arguments.plane)
        result = explain(
            model, planes, options, pixel_size=signal.pixel_size, name=str(arguments.path), explainer=explainer,
            arguments=[arguments.model, str(arguments.path), *choice_flags(arguments), "--output", arguments.output],
            progress=part.part(0, 0.9),
        )  # fmt: skip
        stem = Path(arguments.path).stem + (f"_{number}" if len(signals) > 1 else "")
        names = signal.plane_names if arguments.plane is None else ()
        if names:
            result.planes.insert(1, "path", list(names))
        outputs = write_result(result, arguments.output, stem, axes)
        outputs += write_pictures(result, planes, Path(arguments.output), stem)
        answer = {"name": signal.name, **result.summary(), "seconds": result.provenance.seconds}
        if labels is not None:
            table = heat_by_phase(result.heat, labels)
            outputs.append(write_csv(Path(arguments.output) / f"{stem}_heat_by_phase.csv", table))
            answer["phases"] = table.to_dict("records")
        if arguments.threshold is not None:
            hot = label_heat(result, arguments.threshold)
            outputs += write_result(hot, arguments.output, f"{stem}_threshold", axes)
            answer |= {"threshold": hot.threshold, "hot_fraction": float(hot.labels.mean())}
        if arguments.sanity:
            answer["sanity"] = _sanity(model, planes, result, explainer, part.part(0.9, 1))
        found.append(answer | {"outputs": [str(path) for path in outputs], "provenance": result.provenance.as_dict()})
    first = {**found[0], "outputs": [path for one in found for path in one["outputs"]]}
    return first if len(found) == 1 else {**first, "signals": found}


def _labels(arguments: argparse.Namespace, signals: list[ImageSignal]) -> Planes | None:
    """Labels of the planes that are explained, read as the other commands read masks; refused before any work."""
    from napari_visualccc.core.errors import InputError, OptionError
    from napari_visualccc.segment.folders import as_labels, expect_same_names, read_labels
    from napari_visualccc.segment.measurement import expect_whole_numbers

    if arguments.labels is None:
        return None
    if len(signals) > 1:
        raise OptionError("--labels belongs to one image or stack: choose one of those in the file with --signal")
    path = Path(arguments.labels)
    found = read_labels(path)
    if len(found) > 1:
        warn([f"{path} holds {len(found)} images: only the first is read, {found[0].name}"])
    signal = as_labels(found[0], path)
    expect_same_names(signals[0], signal)
    labels, image = signal.planes, signals[0].planes
    expect_whole_numbers(labels, str(path))
    if labels.plane_shape != image.plane_shape or len(labels) not in (1, len(image)):
        raise InputError(f"{path} has the shape {labels.shape}, {arguments.path} {image.shape}: they must be the same")
    return labels if arguments.plane is None or len(labels) == 1 else labels.only(arguments.plane)


def write_pictures(result: Explanation, planes: Planes, folder: Path, stem: str) -> list[Path]:
    """Write the heat over the planes as pictures."""
    from PIL import Image

    from napari_visualccc.core.files import atomic
    from napari_visualccc.pictures import heat_picture, with_scale_bar

    heat = result.heat.reshape(planes.shape)
    written = []
    for index in range(min(len(planes), _MOST_PICTURES)):
        path = folder / (f"{stem}_heat_{index}.png" if len(planes) > 1 else f"{stem}_heat.png")
        picture = with_scale_bar(
            heat_picture(planes.plane(index), heat[index], brightest=result.brightest), result.pixel_size
        )
        with atomic(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG")
        written.append(path)
    return written


def _sanity(
    model: Model, planes: Planes, result: Explanation, explainer: Any, progress: Progress
) -> list[dict[str, Any]]:
    from napari_visualccc.classify import check_sanity

    table = check_sanity(model, planes, result, explainer=explainer, progress=progress)
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _show(answer: Answer) -> list[str]:
    lines = []
    for one in answer.get("signals", [answer]):
        lines.append(f"{one['name']}: {one['method']} in {one['seconds']:.1f} s; {one['scale']}")
        lines += [f"  {note}" for note in one["notes"]]
        lines += [
            f"  {row.get('path', 'plane')} {row['plane']}: {row['class']} (probability {row['probability']:.3f})"
            for row in one["planes"]
        ]
        if not math.isnan(one["insertion_auc"]):
            lines += [
                f"  {name} AUC {one['trust'][f'{name}_auc']:.3f} ({better} is better); "
                + ", ".join(f"{control} {one['trust'][f'{name}_auc_{control}']:.3f}" for control in _controls())
                for name, better in (("insertion", "higher"), ("deletion", "lower"))
            ]
        lines += [
            f"  {row['class']}: {row['heat_fraction']:.1%} of the heat on {row['area_fraction']:.1%} of the area"
            for row in one.get("phases", ())
        ]
        lines += [
            f"  rank correlation {row['rank_correlation']:.2f} with weights random from {row['random_from']} on"
            for row in one.get("sanity", ())
        ]
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _controls() -> tuple[str, ...]:
    from napari_visualccc.classify.explanation_trust import CONTROLS

    return CONTROLS


COMMANDS = (
    Command("explain", "Heatmaps of what in an image speaks for a class, and how far they can be trusted.",
            "visualccc explain phases.safetensors scan.dm4 --target crack --method gradcam --output explained",
            _declare, _explain, _show),
)  # fmt: skip
