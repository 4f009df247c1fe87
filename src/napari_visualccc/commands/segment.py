"""`visualccc segment train|predict|evaluate|measure`."""

from __future__ import annotations

import argparse
import logging
import math
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
    warn,
)
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.segment.annotations import Annotated, Dataset
    from napari_visualccc.segment.evaluation import Evaluation

_log = logging.getLogger(__name__)


def _declare_train(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.segment.options import QuickOptions, TrainOptions

    parser.add_argument("--images", metavar="DIR", required=True, help="Folder of micrographs, or one file.")
    _declare_masks(parser)
    parser.add_argument("--val-images", metavar="DIR", help="Images to measure on; without, some are held out.")
    parser.add_argument("--val-masks", metavar="DIR", help="Masks of these.")
    parser.add_argument(
        "--val-offset", type=int, metavar="N",
        help="Added to the values of these masks; 1 where they count phases from 0 and strokes from 1.",
    )  # fmt: skip
    parser.add_argument("--classes", metavar="A,B,…", help="Names of the phases in the order of their values.")
    parser.add_argument(
        "--strokes", action="store_true", help="Masks are sparse strokes: 0 is not painted, 1, 2, … are phases."
    )
    parser.add_argument(
        "--quick", action="store_true", help="Train a pixel classifier, in seconds, instead of a network."
    )
    parser.add_argument("--output", metavar="MODEL", required=True, help="File to write: MODEL.safetensors.")
    parser.add_argument("--resume", action="store_true", help="Go on with a training of this output that was cut off.")
    add_arguments(parser, TrainOptions)
    add_arguments(parser.add_argument_group("with --quick"), QuickOptions, besides=TrainOptions)
    declare_device(parser)


def _declare_masks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--masks", metavar="DIR", required=True, help="Integer images with the same names; the value is the class."
    )
    parser.add_argument("--ignore-label", type=int, metavar="V", help="Value of pixels that have no label.")
    parser.add_argument("--binary", action="store_true", help="Every value above 0 is one class (numbered particles).")


def _train(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment import TrainOptions, pair_files, train

    if (arguments.val_images is None) != (arguments.val_masks is None):
        raise OptionError("--val-images and --val-masks belong together: give both or neither")
    options = from_arguments(TrainOptions, arguments)
    output = Path(arguments.output)
    output = output if output.suffix == ".safetensors" else output.with_name(output.name + ".safetensors")
    names = [name.strip() for name in (arguments.classes or "").split(",") if name.strip()]
    items = pair_files(arguments.images, arguments.masks)
    dataset = _dataset(items, arguments, names)
    validation = None
    if arguments.val_images:
        validation = _validation(dataset, pair_files(arguments.val_images, arguments.val_masks), arguments)
    if arguments.quick:
        return _train_quick(dataset, validation, output, arguments, progress)
    checkpoint = output.with_suffix(".training")
    if not arguments.resume and checkpoint.exists():
        _log.warning(
            "%s, a training of this output that was cut off, is begun anew; --resume goes on with it", checkpoint
        )
        checkpoint.unlink()
    result = train(
        dataset, options, validation=validation, device=arguments.device, checkpoint=checkpoint,
        arguments=_data_flags(arguments), progress=progress,
    )  # fmt: skip
    written = result.model.save(output)
    return {
        "model": str(written),
        "classes": [one.name for one in dataset.classes],
        "metrics": result.metrics,
        "history": result.history.to_dict("records"),
        "steps": result.steps,
        "seconds": result.provenance.seconds,
        "provenance": result.provenance.as_dict(),
    }


def _train_quick(
    dataset: Dataset, validation: Dataset | None, output: Path, arguments: argparse.Namespace, progress: Progress
) -> Answer:
    from napari_visualccc.segment import QuickOptions, QuickSegmenter, evaluate

    options = from_arguments(QuickOptions, arguments)
    result = QuickSegmenter(options).fit(dataset, arguments=_data_flags(arguments), progress=progress.part(0, 0.8))
    metrics = {}
    if validation is not None:
        measured = evaluate(result.model, validation, device=arguments.device, progress=progress.part(0.8, 1))
        metrics = _told(measured) | {"held_out": "validation images"}
    card = replace(result.model.card, metrics=metrics)
    return {
        "model": str(replace(result.model, card=card).save(output)),
        "classes": [one.name for one in dataset.classes],
        "metrics": metrics,
        "history": [],
        "steps": 0,
        "seconds": result.provenance.seconds,
        "provenance": result.provenance.as_dict(),
    }


def _dataset(items: list[Annotated], arguments: argparse.Namespace, names: list[str]) -> Dataset:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment import dataset_of_masks, dataset_of_strokes

    if getattr(arguments, "strokes", False):
        dataset = dataset_of_strokes(items, names=dict(enumerate(names, start=1)))
        if names and len(names) != len(dataset.classes):
            raise OptionError(
                f"--classes names {len(names)} phases, but {len(dataset.classes)} are painted: "
                + ", ".join(str(value) for value in dataset.values)
            )
        return dataset
    return dataset_of_masks(items, names=names, ignore=arguments.ignore_label, binary=arguments.binary)


def _validation(dataset: Dataset, items: list[Annotated], arguments: argparse.Namespace) -> Dataset:
    """Images to measure on, whose masks may count the phases from 0 where strokes count them from 1."""
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment import with_offset
    from napari_visualccc.segment.annotations import label_values

    if not arguments.strokes:
        return dataset.with_items(items)
    found = set().union(*(label_values(item.labels) for item in items))
    if arguments.val_offset is None and found == {value - 1 for value in dataset.values}:
        raise OptionError(
            f"the masks in {arguments.val_masks} hold the values {sorted(found)}, the strokes {list(dataset.values)}: "
            "say --val-offset 1 if the masks count the phases from 0, --val-offset 0 if 0 is not painted there, either"
        )
    offset = arguments.val_offset or 0
    if not offset:
        return dataset.with_items(items)
    return replace(dataset, items=tuple(with_offset(item, offset) for item in items), ignore=())


def _data_flags(arguments: argparse.Namespace) -> list[str]:
    flags: list[str] = []
    for name in ("images", "masks", "val_images", "val_masks", "val_offset", "classes", "ignore_label", "output"):
        value = getattr(arguments, name)
        flags += [] if value is None else ["--" + name.replace("_", "-"), str(value)]
    return flags + [f"--{name}" for name in ("binary", "strokes") if getattr(arguments, name)]


def _told(measured: Evaluation) -> Answer:
    """The numbers, after saying what to know before believing them."""
    warn(measured.notes)
    return measured.metrics | {"notes": list(measured.notes)}


def _show_train(answer: Answer) -> list[str]:
    from napari_visualccc.segment.coverage import measured_on, words_on_painted

    lines = [f"trained for {answer['steps']} steps in {answer['seconds']:.0f} s"]
    metrics = answer["metrics"]
    if metrics:
        lines += [f"measured on {measured_on(metrics)}:", *_show_metrics(metrics)]
        lines += [f"  ({word})" for word in words_on_painted(metrics)]
    return [*lines, f"wrote {answer['model']}"]


def _show_metrics(metrics: Answer) -> list[str]:
    lines = [f"  IoU {name}: {_number(value)}" for name, value in metrics["iou"].items()]
    lines.append(f"  mean IoU {_number(metrics['mean_iou'])} (over classes), pooled {_number(metrics['pooled_iou'])}")
    return lines


def _number(value: float | None) -> str:
    return "none there" if value is None or math.isnan(value) else f"{value:.4f}"


def _declare_predict(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.segment.options import PredictOptions

    parser.add_argument("model", metavar="MODEL", help="Model file.")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="Image files or folders.")
    parser.add_argument("--output", metavar="DIR", required=True, help="Folder for the label images.")
    parser.add_argument("--format", choices=["tiff", "zarr"], default="tiff", help="OME-TIFF or OME-Zarr.")
    declare_choice(parser)
    add_arguments(parser, PredictOptions)
    declare_device(parser)


def _predict(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.runtime import choose_device
    from napari_visualccc.io import read
    from napari_visualccc.io.writers import write_result
    from napari_visualccc.models.nn.segmenter import Segmenter
    from napari_visualccc.segment import PredictOptions, SegmentationModel, predict
    from napari_visualccc.segment.folders import image_files, stem

    options = from_arguments(PredictOptions, arguments)
    model = SegmentationModel.load(arguments.model)
    segmenter = Segmenter(model.network, choose_device(arguments.device))
    paths = [file for path in arguments.paths for file in image_files(path)]
    outputs: list[str] = []
    images: list[Answer] = []
    pixels, seconds = 0, 0.0
    for number, path in enumerate(paths):
        part = progress.part(number / len(paths), (number + 1) / len(paths))
        signals = chosen_signals(read(path), arguments)
        for place, signal in enumerate(signals):
            planes, axes = chosen_plane(signal, arguments.plane)
            result = predict(
                model, planes, options, pixel_size=signal.pixel_size, name=str(path), segmenter=segmenter,
                arguments=[arguments.model, str(path), *choice_flags(arguments), "--output", arguments.output],
                progress=part.part(place / len(signals), (place + 1) / len(signals)),
            )  # fmt: skip
            name = stem(path) + (f"_{place}" if len(signals) > 1 else "")
            written = write_result(result, arguments.output, name, axes, zarr=arguments.format == "zarr")
            outputs += [str(one) for one in written]
            pixels += result.labels.size
            seconds += result.provenance.seconds
            images.append({"path": str(path), "phases": result.table.to_dict("records")})
    return {
        "outputs": outputs,
        "images": images,
        "megapixels_per_second": pixels / 1e6 / max(seconds, 1e-9),
        "seconds": seconds,
    }


def _show_predict(answer: Answer) -> list[str]:
    lines = []
    for image in answer["images"]:
        shares = ", ".join(f"{row['class']} {row['area_fraction']:.2%}" for row in image["phases"])
        lines.append(f"{image['path']}: {shares}")
    lines.append(f"{answer['megapixels_per_second']:.2f} megapixels/s")
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _declare_evaluate(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.segment.options import PredictOptions

    parser.add_argument("model", metavar="MODEL", help="Model file.")
    parser.add_argument("--images", metavar="DIR", required=True, help="Folder of micrographs, or one file.")
    _declare_masks(parser)
    parser.add_argument(
        "--offset", type=int, default=0, metavar="N",
        help="Added to the values of the masks; 1 where they count phases from 0 and the model, from strokes, from 1.",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=float, metavar="D", help="Of outlines, in the unit of the images; default two pixels."
    )
    add_arguments(parser, PredictOptions)
    declare_device(parser)


def _evaluate(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.segment import PredictOptions, SegmentationModel, evaluate, pair_files, with_offset
    from napari_visualccc.segment.annotations import Dataset

    options = from_arguments(PredictOptions, arguments)
    model = SegmentationModel.load(arguments.model)
    ignore = () if arguments.ignore_label is None else (arguments.ignore_label,)
    items = tuple(with_offset(item, arguments.offset) for item in pair_files(arguments.images, arguments.masks))
    dataset = Dataset(items, model.card.classes, ignore, arguments.binary)
    found = evaluate(model, dataset, options, tolerance=arguments.tolerance, device=arguments.device, progress=progress)
    return _told(found)


def _show_evaluate(answer: Answer) -> list[str]:
    lines = _show_metrics(answer)
    lines.append(f"  pixel accuracy {_number(answer['pixel_accuracy'])}, {answer['n']} planes")
    lines += [
        f"  boundary F1 {name}: {_number(value)} (within {answer['boundary_tolerance']:.3g} {answer['boundary_unit']})"
        for name, value in answer["boundary_f1"].items()
    ]
    return lines


COMMANDS = (
    Command("segment train", "Train a U-Net on images and masks.",
            "visualccc segment train --images raw --masks painted --classes matrix,phase --output phases.safetensors",
            _declare_train, _train, _show_train),
    Command("segment predict", "Segment images with a trained model.",
            "visualccc segment predict phases.safetensors scan.dm4 --output segmented --uncertainty",
            _declare_predict, _predict, _show_predict),
    Command("segment evaluate", "Compare a model with masks: IoU, Dice, boundary F1, confusion.",
            "visualccc segment evaluate phases.safetensors --images raw --masks painted --tta --json",
            _declare_evaluate, _evaluate, _show_evaluate),
)  # fmt: skip
