"""`visualccc segment predict|evaluate|compare`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
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
    declare_pixel_size,
    declare_seed,
    expect_folder,
    given_pixel_size,
    names_in,
    warn,
)
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.pixel_size import Axis
    from napari_visualccc.segment import SegmentationResult
    from napari_visualccc.segment.annotations import Annotated
    from napari_visualccc.segment.quality import Evaluation


ClassNames = list[str] | dict[int, str]


def declare_masks(parser: argparse.ArgumentParser) -> None:
    """Add ``--masks`` and what tells how to read them."""
    parser.add_argument(
        "--masks", metavar="DIR", required=True, help="Integer images with the same names; the value is the class."
    )
    declare_values(parser)


def declare_values(parser: argparse.ArgumentParser) -> None:
    """Add what tells which values of masks are classes."""
    parser.add_argument(
        "--ignore-label", type=int, metavar="V", help="Value of pixels that have no label, as the files have it; "
        "-1 never is a label."
    )  # fmt: skip
    parser.add_argument("--binary", action="store_true", help="Every value above 0 is one class (numbered particles).")


def declare_tolerance(parser: argparse.ArgumentParser) -> None:
    """Add ``--tolerance``."""
    parser.add_argument(
        "--tolerance", type=float, metavar="D", help="Of outlines, in the unit of the images; default two pixels."
    )


def calibrated(pairs: list[Annotated], arguments: argparse.Namespace) -> list[Annotated]:
    """Images with the pixel size that was given, if one was."""
    size = given_pixel_size(arguments)
    return pairs if size is None else [replace(pair, pixel_size=size) for pair in pairs]


def class_names(text: str | None) -> ClassNames:
    """What ``--classes`` says: names in the order of the values, or by value."""
    from napari_visualccc.segment.class_names import numbered_names

    return numbered_names(text or "") or names_in(text)


def told(measured: Evaluation) -> Answer:
    """The numbers, after saying what to know before believing them."""
    warn(measured.notes)
    return measured.metrics | {"notes": list(measured.notes)}


def show_metrics(metrics: Answer) -> list[str]:
    """Scores in lines for people."""
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
    declare_seed(parser)
    declare_device(parser)


def _predict(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import FileFormatError, InputError, OptionError, OutputError
    from napari_visualccc.core.runtime import choose_device
    from napari_visualccc.io import read
    from napari_visualccc.models.nn.segmenter import Segmenter
    from napari_visualccc.segment import PredictOptions, SegmentationModel, predict
    from napari_visualccc.segment.folders import source_files, stem

    options = from_arguments(PredictOptions, arguments)
    expect_folder(arguments.output)
    model = SegmentationModel.load(arguments.model)
    segmenter = Segmenter(model.network, choose_device(arguments.device))
    paths = _apart([file for path in arguments.paths for file in source_files(path)])
    stems = {stem(path) for path in paths}
    answer: Answer = {"outputs": [], "images": [], "failed": []}
    pixels, seconds = 0, 0.0
    for number, path in enumerate(paths):
        part = progress.part(number / len(paths), (number + 1) / len(paths))
        try:
            signals = chosen_signals(read(path), arguments)
            names = [stem(path) + (f"_{place}" if len(signals) > 1 else "") for place in range(len(signals))]
            for place, (name, signal) in enumerate(zip(names, signals, strict=True)):
                if len(signals) > 1 and name in stems:
                    raise OutputError(f"an image of {path} and another file would both write {name}_phases: rename one")
                planes, axes = chosen_plane(signal, arguments.plane)
                work = partial(
                    predict, model, planes, options, pixel_size=signal.pixel_size, name=str(path), segmenter=segmenter,
                    arguments=[arguments.model, str(path), *choice_flags(arguments), *_output_flags(arguments)],
                    progress=part.part(place / len(signals), (place + 1) / len(signals)),
                )  # fmt: skip
                result, written = _written(work, arguments, name, axes)
                pixels += planes.size
                seconds += result.provenance.seconds
                answer["outputs"] += [str(one) for one in written]
                answer["images"].append(
                    {
                        "path": str(path),
                        "phases": result.table.to_dict("records"),
                        "rescaled": list(result.rescaled),
                        "notes": [*result.notes, *_on_earlier(arguments.output, name, written)],
                    }
                )
        except (FileFormatError, InputError, OptionError) as error:  # such as a plane that only others have
            if len(paths) == 1:
                raise
            warn([f"{path} is left out, or the rest of it: {error}"])
            answer["failed"].append({"path": str(path), "error": str(error)})
    return {**answer, "megapixels_per_second": pixels / 1e6 / max(seconds, 1e-9), "seconds": seconds}


def _on_earlier(folder: str, stem: str, written: list[Path]) -> list[str]:
    """That layers of an earlier segmentation, perhaps by another model, lie beside those just written."""
    titles = [f"{stem}_{title}.ome.{kind}" for title in ("phases", "confidence", "entropy") for kind in ("tif", "zarr")]
    earlier = [name for name in titles if (path := Path(folder, name)).exists() and path not in written]
    return [f"{', '.join(earlier)} beside it are of an earlier run"] if earlier else []


def _output_flags(arguments: argparse.Namespace) -> list[str]:
    return ["--output", arguments.output, *(["--format", "zarr"] if arguments.format == "zarr" else [])]


def _written(
    work: Callable[..., SegmentationResult], arguments: argparse.Namespace, stem: str, axes: tuple[Axis, ...]
) -> tuple[SegmentationResult, list[Path]]:
    """Result of a prediction and its files; OME-Zarr is written while it is computed."""
    from napari_visualccc.io import write_result, zarr_result

    if arguments.format != "zarr":
        result = work()
        return result, write_result(result, arguments.output, stem, axes)
    with zarr_result(arguments.output, stem, axes) as files:
        result = work(new_array=files.array)
        return result, files.finish(result)


def _apart(paths: list[Path]) -> list[Path]:
    """Each image once, if no two write their results into files of the same names."""
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment.folders import stem

    owners: dict[str, Path] = {}
    for path in paths:
        other = owners.setdefault(stem(path), path)
        if other.resolve() != path.resolve():
            raise OptionError(
                f"{other} and {path} would both write {stem(path)}_phases: rename one, or segment them one by one into "
                "folders of their own"
            )
    return list(owners.values())


def _show_predict(answer: Answer) -> list[str]:
    lines = []
    for image in answer["images"]:
        shares = ", ".join(f"{row['class']} {row['area_fraction']:.2%}" for row in image["phases"])
        lines.append(f"{image['path']}: {shares}")
        lines += [f"  {note}" for note in image["notes"]]
    lines += [f"{one['path']}: left out" for one in answer["failed"]]
    lines.append(f"{answer['megapixels_per_second']:.2f} megapixels/s")
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _declare_evaluate(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.segment.options import PredictOptions

    parser.add_argument("model", metavar="MODEL", help="Model file.")
    parser.add_argument("--images", metavar="DIR", required=True, help="Folder of micrographs, or one file.")
    declare_masks(parser)
    parser.add_argument(
        "--offset", type=int, default=0, metavar="N",
        help="Added to the values of the masks (not to the ignored one); 1 where they count phases from 0 and the "
        "model, from strokes, from 1.",
    )  # fmt: skip
    declare_tolerance(parser)
    declare_pixel_size(parser)
    add_arguments(parser, PredictOptions)
    declare_seed(parser)
    declare_device(parser)


def _evaluate(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment import PredictOptions, SegmentationModel, evaluate, pair_files, with_offset
    from napari_visualccc.segment.annotations import Dataset

    if arguments.binary and arguments.offset:
        raise OptionError("--binary is for masks whose values above 0 are all one class: there is nothing to --offset")
    options = from_arguments(PredictOptions, arguments)
    if options.uncertainty:
        warn(["without effect on what is measured: --uncertainty"])
        options = replace(options, uncertainty=False)
    model = SegmentationModel.load(arguments.model)
    offset, ignored = arguments.offset, arguments.ignore_label
    ignore = () if ignored is None else (ignored + offset,)
    pairs = calibrated(pair_files(arguments.images, arguments.masks), arguments)
    items = tuple(with_offset(item, offset, ignored) for item in pairs)
    dataset = Dataset(items, model.card.classes, ignore, arguments.binary)
    found = evaluate(model, dataset, options, tolerance=arguments.tolerance, device=arguments.device, progress=progress)
    return told(found)


def _show_evaluate(answer: Answer) -> list[str]:
    lines = show_metrics(answer)
    lines.append(f"  pixel accuracy {_number(answer['pixel_accuracy'])}, {answer['n']} planes")
    lines += [
        f"  boundary F1 {name}: {_number(value)} (within {answer['boundary_tolerance']:.3g} {answer['boundary_unit']})"
        for name, value in answer["boundary_f1"].items()
    ]
    return lines


def _declare_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("true", metavar="LABELS", help="Folder of label images, or one: those taken as true.")
    parser.add_argument("others", metavar="OTHERS", help="Other labels of the same names, as of another annotator.")
    parser.add_argument("--classes", metavar="A,B,…", help="Names of the values that there are, in their order, "
                        "or 1=A,2=B,… by value.")  # fmt: skip
    declare_values(parser)
    declare_tolerance(parser)
    declare_pixel_size(parser)
    declare_seed(parser)
    declare_device(parser)


def _compare(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.segment import compare_sets, pair_labels

    found = compare_sets(
        calibrated(pair_labels(arguments.true, arguments.others), arguments), names=class_names(arguments.classes),
        ignore=arguments.ignore_label,
        binary=arguments.binary, tolerance=arguments.tolerance, progress=progress,
    )  # fmt: skip
    return told(found)


COMMANDS = (
    Command("segment predict", "Segment images with a trained model.",
            "visualccc segment predict phases.safetensors scan.dm4 --output segmented --uncertainty",
            _declare_predict, _predict, _show_predict),
    Command("segment evaluate", "Compare a model with masks: IoU, Dice, boundary F1, confusion.",
            "visualccc segment evaluate phases.safetensors --images raw --masks painted --tta --json",
            _declare_evaluate, _evaluate, _show_evaluate),
    Command("segment compare", "Compare labels with labels: two annotators, or results with masks.",
            "visualccc segment compare anna berta --classes matrix,pore --json",
            _declare_compare, _compare, _show_evaluate),
)  # fmt: skip
