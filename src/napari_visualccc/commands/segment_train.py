"""`visualccc segment train`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_visualccc.commands.base import Answer, Command, declare_device, declare_pixel_size, stop_on_interrupt, warn
from napari_visualccc.commands.segment import ClassNames, calibrated, class_names, declare_masks, show_metrics, told
from napari_visualccc.core.params import add_arguments, from_arguments, specs
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.segment import SegmentationModel
    from napari_visualccc.segment.annotations import Annotated, Dataset

_log = logging.getLogger(__name__)


def _declare_train(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.segment.options import QuickOptions, TrainOptions

    parser.add_argument("--images", metavar="DIR", required=True, help="Folder of micrographs, or one file.")
    declare_masks(parser)
    parser.add_argument("--val-images", metavar="DIR", help="Images to measure on; without, some are held out.")
    parser.add_argument("--val-masks", metavar="DIR", help="Masks of these.")
    parser.add_argument(
        "--val-offset", type=int, metavar="N",
        help="Added to the values of these masks (not to the ignored one); 1 where they count phases from 0 and "
        "strokes from 1.",
    )  # fmt: skip
    parser.add_argument(
        "--classes", metavar="A,B,…",
        help="Names of the phases in the order of their values: of those that the masks hold if there are as many, "
        "else from 0 (of strokes from 1). The ignored value is no phase. Or 1=A,2=B,… by value.",
    )  # fmt: skip
    parser.add_argument(
        "--strokes", action="store_true", help="Masks are sparse strokes: 0 is not painted, 1, 2, … are phases."
    )
    parser.add_argument(
        "--quick", action="store_true", help="Train a pixel classifier, in seconds, instead of a network."
    )
    parser.add_argument("--output", metavar="MODEL", required=True, help="File to write: MODEL.safetensors.")
    declare_pixel_size(parser)
    parser.add_argument("--licence", metavar="TEXT", help="Licence of the model, for its card: such as CC-BY-4.0.")
    parser.add_argument("--resume", action="store_true", help="Go on with a training of this output that was cut off.")
    add_arguments(parser, TrainOptions)
    add_arguments(parser.add_argument_group("with --quick"), QuickOptions, besides=TrainOptions)
    declare_device(parser)


def _train(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import OptionError, OutputError
    from napari_visualccc.segment import TrainOptions, pair_files, train

    if (arguments.val_images is None) != (arguments.val_masks is None):
        raise OptionError("--val-images and --val-masks belong together: give both or neither")
    options = from_arguments(TrainOptions, arguments)
    output = Path(arguments.output)
    output = output if output.suffix == ".safetensors" else output.with_name(output.name + ".safetensors")
    if output.is_dir():
        raise OutputError(f"{output} is a folder: give the name of a file in it")
    if arguments.binary and (arguments.strokes or arguments.val_offset):
        raise OptionError("--binary is for masks whose values above 0 are all one class: not for --strokes or offsets")
    warn(_unused(arguments))
    names = class_names(arguments.classes)
    items = calibrated(pair_files(arguments.images, arguments.masks), arguments)
    dataset = _dataset(items, arguments, names)
    validation = None
    if arguments.val_images:
        held_out = calibrated(pair_files(arguments.val_images, arguments.val_masks), arguments)
        validation = _validation(dataset, held_out, arguments)
    if arguments.quick:
        return _train_quick(dataset, validation, output, arguments, progress)
    checkpoint = output.with_suffix(".training")
    _begin_or_go_on(checkpoint, resume=arguments.resume)
    try:
        with stop_on_interrupt(checkpoint.exists) as should_stop:
            result = train(
                dataset, options, validation=validation, device=arguments.device, checkpoint=checkpoint,
                arguments=_data_flags(arguments), should_stop=should_stop, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        if checkpoint.exists():
            _log.warning("what was learnt so far is kept as %s: the same command with --resume goes on", checkpoint)
        raise
    written = _saved(_licensed(result.model, arguments), output)
    checkpoint.unlink(missing_ok=True)
    return {
        "model": str(written),
        "classes": [one.name for one in dataset.classes],
        "metrics": result.metrics,
        "history": result.history.to_dict("records"),
        "steps": result.steps,
        "seconds": result.provenance.seconds,
        "provenance": result.provenance.as_dict(),
    }


def _begin_or_go_on(checkpoint: Path, *, resume: bool) -> None:
    """Make way for a new training without losing one that was cut off; say so if there is none to go on with."""
    from napari_visualccc.segment.checkpoints import move_aside

    if resume and not checkpoint.exists():
        _log.warning("--resume: there is no training to go on with (%s), a new one begins", checkpoint)
    elif not resume and checkpoint.exists():
        _log.warning(
            "a training of this output that was cut off is kept as %s, and a new one begins; to go on with the earlier "
            "one, rename it to %s and say --resume", move_aside(checkpoint), checkpoint.name,
        )  # fmt: skip


def _unused(arguments: argparse.Namespace) -> list[str]:
    """What to say of options that were given and mean nothing to the kind of model that is trained."""
    from napari_visualccc.segment import QuickOptions, TrainOptions

    network, quick = ({spec.name: spec.flag for spec in specs(kind)} for kind in (TrainOptions, QuickOptions))
    used, others = (quick, network) if arguments.quick else (network, quick)
    given = [flag for name, flag in others.items() if name not in used and getattr(arguments, name) is not None]
    given += ["--resume"] if arguments.quick and arguments.resume else []
    words = [f"without effect {'with' if arguments.quick else 'without'} --quick: {', '.join(given)}"] if given else []
    if arguments.quick and arguments.device not in ("auto", "cpu"):
        words.append("--quick learns on the CPU; --device is for measuring on validation images only")
    return words


def _train_quick(
    dataset: Dataset, validation: Dataset | None, output: Path, arguments: argparse.Namespace, progress: Progress
) -> Answer:
    from napari_visualccc.segment import QuickOptions, QuickSegmenter, evaluate

    options = from_arguments(QuickOptions, arguments)
    result = QuickSegmenter(options).fit(dataset, arguments=_data_flags(arguments), progress=progress.part(0, 0.8))
    warn(result.notes)
    metrics = {}
    if validation is not None:
        measured = evaluate(result.model, validation, device=arguments.device, progress=progress.part(0.8, 1))
        metrics = told(measured) | {"held_out": "validation images"}
    model = replace(result.model, card=replace(result.model.card, metrics=metrics))
    return {
        "model": str(_saved(_licensed(model, arguments), output)),
        "classes": [one.name for one in dataset.classes],
        "metrics": metrics,
        "history": [],
        "steps": 0,
        "seconds": result.provenance.seconds,
        "provenance": result.provenance.as_dict(),
    }


def _licensed(model: SegmentationModel, arguments: argparse.Namespace) -> SegmentationModel:
    """The model with the licence that the user gave it."""
    return replace(model, card=replace(model.card, licence=arguments.licence)) if arguments.licence else model


def _saved(model: SegmentationModel, output: Path) -> Path:
    """Write a model, elsewhere if there is no room for it: hours of training must not be lost to a full disk."""
    from napari_visualccc.core.errors import OutputError

    try:
        return model.save(output)
    except OutputError as error:
        kept = _kept_elsewhere(model, output.name)
        if kept is None:
            raise
        raise OutputError(f"{error}; the model is kept as {kept}: move it where it belongs") from error


def _kept_elsewhere(model: SegmentationModel, name: str) -> Path | None:
    """Where a model was written for want of a better place; None if there is none."""
    from napari_visualccc.core.errors import OutputError

    for place in (tempfile.gettempdir, Path.home):
        with contextlib.suppress(OutputError, OSError, RuntimeError):  # there is no such folder, or no room either
            return model.save(Path(tempfile.mkdtemp(prefix="visualccc-", dir=place())) / name)
    return None


def _dataset(items: list[Annotated], arguments: argparse.Namespace, names: ClassNames) -> Dataset:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment import dataset_of_masks, dataset_of_strokes
    from napari_visualccc.segment.class_names import expect_named

    if arguments.strokes:
        if isinstance(names, dict):
            dataset = dataset_of_strokes(items, names=names, ignore=arguments.ignore_label)
            expect_named(dataset.values, names)
            return dataset
        named = dict(enumerate(names, start=1))
        dataset = dataset_of_strokes(items, names=named, ignore=arguments.ignore_label)
        painted = ", ".join(str(value) for value in dataset.values)
        if names and len(names) != len(dataset.classes):
            raise OptionError(f"--classes names {len(names)} phases, but {len(dataset.classes)} are painted: {painted}")
        if names and tuple(named) != dataset.values:
            raise OptionError(f"--classes names the values 1 … {len(names)}, but painted are {painted}: leave no gap")
        return dataset
    return dataset_of_masks(items, names=names, ignore=arguments.ignore_label, binary=arguments.binary)


def _validation(dataset: Dataset, items: list[Annotated], arguments: argparse.Namespace) -> Dataset:
    """Images to measure on, whose masks may count the phases from another number than those learnt from."""
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.segment import with_offset
    from napari_visualccc.segment.annotations import label_values
    from napari_visualccc.segment.measure_options import NO_DATA

    offset, ignored = arguments.val_offset, arguments.ignore_label
    if arguments.strokes and offset is None:
        found = set().union(*(label_values(item.labels) for item in items)) - {NO_DATA, ignored}
        if found == {value - 1 for value in dataset.values}:
            raise OptionError(
                f"the masks in {arguments.val_masks} hold the values {sorted(found)}, the strokes "
                f"{list(dataset.values)}: say --val-offset 1 if the masks count the phases from 0, --val-offset 0 if 0 "
                "is not painted there, either"
            )
    if not offset:
        return dataset.with_items(items)
    shifted = () if ignored is None else (ignored + offset,)
    return replace(dataset, items=tuple(with_offset(item, offset, ignored) for item in items), ignore=shifted)


def _data_flags(arguments: argparse.Namespace) -> list[str]:
    flags: list[str] = []
    for name in ("images", "masks", "val_images", "val_masks", "val_offset", "classes", "ignore_label", "pixel_size",
                 "licence", "output"):  # fmt: skip
        value = getattr(arguments, name)
        flags += [] if value is None else ["--" + name.replace("_", "-"), str(value)]
    return flags + [f"--{name}" for name in ("binary", "strokes") if getattr(arguments, name)]


def _show_train(answer: Answer) -> list[str]:
    from napari_visualccc.segment.coverage import measured_on, words_on_painted

    lines = [f"trained for {answer['steps']} steps in {answer['seconds']:.0f} s"]
    metrics = answer["metrics"]
    if metrics:
        lines += [f"measured on {measured_on(metrics)}:", *show_metrics(metrics)]
        lines += [f"  ({word})" for word in words_on_painted(metrics)]
    return [*lines, f"wrote {answer['model']}"]


COMMANDS = (
    Command("segment train", "Train a U-Net on images and masks.",
            "visualccc segment train --images raw --masks painted --classes matrix,phase --output phases.safetensors",
            _declare_train, _train, _show_train),
)  # fmt: skip
