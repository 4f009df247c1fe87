"""`visualccc classify train|predict|evaluate`."""

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
    declare_seed,
    stop_on_interrupt,
    warn,
)
from napari_visualccc.core.params import add_arguments, from_arguments, specs
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.signals import ImageSignal
    from napari_visualccc.models.nn.fit import Moment


def _declare_train(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.classify.options import TrainOptions

    parser.add_argument(
        "dataset", metavar="DATASET", help="Folder with a folder per class, or CSV: path,label[,group][,split][,plane]."
    )
    parser.add_argument("--output", metavar="MODEL", required=True, help="File to write: MODEL.safetensors.")
    parser.add_argument(
        "--report", metavar="DIR", help="Folder for report.html and report.json on the images held out."
    )
    _declare_cache(parser)
    add_arguments(parser, TrainOptions)
    declare_device(parser)


def _declare_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-cache", action="store_true", help="Do not keep what was seen of images for later runs, nor use it."
    )


def _cache(arguments: argparse.Namespace) -> Any:
    from napari_visualccc.models.embedding_cache import EmbeddingCache

    return None if arguments.no_cache else EmbeddingCache()


def _train(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.classify import TrainOptions, read_dataset, train, write_report
    from napari_visualccc.classify.options import ONLY_TUNING

    options = from_arguments(TrainOptions, arguments)
    given = {one.name: one.flag for one in specs(TrainOptions) if getattr(options, one.name) != one.default}
    if options.method == "fast" and (unused := [given[name] for name in ONLY_TUNING if name in given]):
        warn([f"without effect without --method fine-tune: {', '.join(unused)}"])
    output = Path(arguments.output)
    output = output if output.suffix == ".safetensors" else output.with_name(output.name + ".safetensors")
    dataset = read_dataset(arguments.dataset, progress=progress.part(0, 0.05))
    moments: list[Moment] = []  # of fine-tuning, which alone can be ended earlier
    with stop_on_interrupt(lambda: any(moment.scores for moment in moments)) as should_stop:
        result = train(
            dataset, options, device=arguments.device, cache=_cache(arguments), should_stop=should_stop,
            watch=moments.append, arguments=[arguments.dataset, "--output", arguments.output],
            progress=progress.part(0.05, 1),
        )  # fmt: skip
    warn(result.notes)
    written = result.model.save(output)
    outputs = [str(written)]
    if arguments.report and result.evaluation is not None:
        outputs += [
            str(path)
            for path in write_report(
                result.evaluation, arguments.report, title=f"Classification: {output.stem}", notes=result.notes,
                provenance=result.provenance.as_dict(),
            )
        ]  # fmt: skip
    return {
        "model": str(written),
        "classes": list(result.model.names),
        "metrics": result.metrics,
        "history": result.history.to_dict("records"),
        "duplicates": list(result.duplicates),
        "notes": list(result.notes),
        "outputs": outputs,
        "seconds": result.provenance.seconds,
        "provenance": result.provenance.as_dict(),
    }


def _show_train(answer: Answer) -> list[str]:
    lines = [f"trained in {answer['seconds']:.1f} s: {', '.join(answer['classes'])}"]
    if answer["metrics"]:
        lines += [f"measured by {answer['metrics']['held_out']}:", *_show_metrics(answer["metrics"])]
    return [*lines, *(f"wrote {path}" for path in answer["outputs"])]


def _show_metrics(metrics: Answer) -> list[str]:
    from napari_visualccc.classify.report import number_words

    intervals = metrics.get("intervals", {})
    lines = [
        f"  {key.replace('_', ' ')} {number_words(_known(metrics[key]), intervals.get(key))}"
        for key in ("weighted_accuracy", "balanced_accuracy", "weighted_f1", "macro_f1", "calibration_error")
    ]
    for name, one in metrics["per_class"].items():
        precision, recall, f1 = (number_words(_known(one[key])) for key in ("precision", "recall", "f1"))
        lines.append(f"  {name}: precision {precision}, recall {recall}, F1 {f1} ({one['n']} images)")
    lines.append(f"  {metrics['n']} images of {metrics['n_groups']} groups")
    return lines


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _declare_predict(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.classify.explanation_options import METHODS
    from napari_visualccc.classify.options import PredictOptions

    parser.add_argument("model", metavar="MODEL", help="Model file.")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="Image files or folders.")
    parser.add_argument("--output", metavar="CSV", required=True, help="Table to write; class maps lie beside it.")
    parser.add_argument("--cam", metavar="DIR", help="Folder for heatmaps of what speaks for the class of each image.")
    parser.add_argument(
        "--cam-method", metavar="NAME", default="gradcam", choices=list(METHODS), help="One of: " + ", ".join(METHODS)
    )
    declare_choice(parser)
    _declare_cache(parser)
    add_arguments(parser, PredictOptions)
    declare_seed(parser)
    declare_device(parser)


def _predict(arguments: argparse.Namespace, progress: Progress) -> Answer:
    import pandas as pd

    from napari_visualccc.classify import ClassificationModel, PredictOptions
    from napari_visualccc.core.results import Stopwatch
    from napari_visualccc.io import read, write_csv

    options = from_arguments(PredictOptions, arguments)
    model = ClassificationModel.load(arguments.model)
    looker = model.looker(arguments.device, _cache(arguments))
    clock = Stopwatch()
    explainer = _explainer(model, arguments)
    paths = [file for path in arguments.paths for file in _image_files(Path(path))]
    rows: list[Answer] = []
    outputs: list[str] = []
    for number, path in enumerate(paths):
        part = progress.part(number / len(paths), (number + 1) / len(paths))
        for place, signal in enumerate(chosen_signals(read(path), arguments)):
            found, written = _predict_signal(model, looker, signal, path, place, options, arguments, part)
            rows += found
            outputs += written
            if explainer is not None:
                outputs += _explain_signal(model, explainer, signal, path, place, arguments, progress.quiet())
    names = model.names
    table = pd.DataFrame([
        {
            "path": row["path"], "signal": row["signal"], "plane": row["plane"], "label": row["label"],
            "confidence": row["confidence"], "learnt_from": row["learnt_from"], "unlike": row["unlike"],
            "distance": row["distance"],
            **{f"p_{name}": row["probabilities"][name] for name in names},
        }
        for row in rows
    ])  # fmt: skip
    outputs = [str(write_csv(arguments.output, table)), *outputs]
    return {"predictions": rows, "classes": list(names), "outputs": outputs, "seconds": clock.seconds}


def _predict_signal(
    model: Any, looker: Any, signal: ImageSignal, path: Path, place: int, options: Any, arguments: argparse.Namespace,
    progress: Progress,
) -> tuple[list[Answer], list[str]]:  # fmt: skip
    from napari_visualccc.classify import predict
    from napari_visualccc.io.writers import write_result

    planes, axes = chosen_plane(signal, arguments.plane)
    result = predict(
        model, planes, options, pixel_size=signal.pixel_size, name=str(path), looker=looker, progress=progress,
        arguments=[arguments.model, str(path), *choice_flags(arguments), "--output", arguments.output],
    )  # fmt: skip
    rows = [
        {
            "path": str(path), "signal": place, "plane": row["plane"] if arguments.plane is None else arguments.plane,
            "label": row["class"], "confidence": row["confidence"],
            "learnt_from": bool(row["learnt_from"]), "unlike": bool(row["unlike"]),
            "distance": row["distance"], "probabilities": {name: row[f"p {name}"] for name in model.names},
            "notes": list(result.notes),
        }
        for row in result.table.to_dict("records")
    ]  # fmt: skip
    if result.class_map is None:
        return rows, []
    stem = path.stem + (f"_{place}" if place else "")
    written = write_result(result, Path(arguments.output).parent, stem, axes)
    return rows, [str(one) for one in written]


def _explainer(model: Any, arguments: argparse.Namespace) -> Any:
    """The model made ready to be explained, if that is asked for."""
    from napari_visualccc.core.runtime import choose_device

    if arguments.cam is None:
        return None
    from napari_visualccc.models.nn.explainer import Explainer

    return Explainer(model.network, choose_device(arguments.device))


def _explain_signal(
    model: Any, explainer: Any, signal: ImageSignal, path: Path, place: int, arguments: argparse.Namespace,
    progress: Progress,
) -> list[str]:  # fmt: skip
    from napari_visualccc.classify import ExplainOptions, explain
    from napari_visualccc.commands.explain import write_pictures
    from napari_visualccc.io.writers import write_result

    planes, axes = chosen_plane(signal, arguments.plane)
    result = explain(
        model, planes, ExplainOptions(method=arguments.cam_method, faithfulness=False), pixel_size=signal.pixel_size,
        name=str(path), explainer=explainer, progress=progress,
        arguments=[arguments.model, str(path), *choice_flags(arguments), "--output", arguments.cam],
    )  # fmt: skip
    stem = path.stem + (f"_{place}" if place else "")
    written = [
        *write_result(result, arguments.cam, stem, axes),
        *write_pictures(result, planes, Path(arguments.cam), stem),
    ]
    return [str(one) for one in written]


def _image_files(path: Path) -> list[Path]:
    """The file, or the image files of a folder, of its folders if it has none itself."""
    from napari_visualccc.core.errors import FileFormatError
    from napari_visualccc.io.readers import image_files

    if not path.is_dir() or path.suffix == ".zarr":
        return [path]
    files = image_files(path) or [
        file for part in sorted(path.iterdir()) if part.is_dir() for file in image_files(part)
    ]
    if not files:
        raise FileFormatError(f"{path} holds no image file")
    return files


def _show_predict(answer: Answer) -> list[str]:
    lines = []
    for row in answer["predictions"]:
        sure = "learnt from" if row["learnt_from"] else f"{row['confidence']:.1%}"
        unlike = ", unlike anything learnt" if row["unlike"] else ""
        lines.append(f"{row['path']} [{row['plane']}]: {row['label']} ({sure}{unlike})")
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _declare_evaluate(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.classify.options import EvaluateOptions

    parser.add_argument("model", metavar="MODEL", help="Model file.")
    parser.add_argument("dataset", metavar="DATASET", help="Folder with a folder per class, or CSV.")
    parser.add_argument("--split", metavar="NAME", help="Only images of this split (train, val, test, …).")
    parser.add_argument("--report", metavar="DIR", help="Folder for report.html and report.json.")
    _declare_cache(parser)
    add_arguments(parser, EvaluateOptions)
    declare_device(parser)


def _evaluate(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.classify import ClassificationModel, EvaluateOptions, evaluate, read_dataset, write_report
    from napari_visualccc.classify.options import SPLIT_NAMES

    options = from_arguments(EvaluateOptions, arguments)
    model = ClassificationModel.load(arguments.model)
    dataset = read_dataset(arguments.dataset, progress=progress.part(0, 0.1))
    split = None if arguments.split is None else SPLIT_NAMES.get(arguments.split.lower(), arguments.split)
    found = evaluate(
        model, dataset, options, split=split, looker=model.looker(arguments.device, _cache(arguments)),
        progress=progress.part(0.1, 1),
    )  # fmt: skip
    warn(found.notes)
    outputs: list[str] = []
    if arguments.report:
        title = f"Classification: {Path(arguments.model).stem} on {Path(arguments.dataset).name}"
        outputs = [str(path) for path in write_report(found, arguments.report, title=title, notes=dataset.notes)]
    return found.metrics | {"notes": list(found.notes), "outputs": outputs}


def _show_evaluate(answer: Answer) -> list[str]:
    return [*_show_metrics(answer), *(f"wrote {path}" for path in answer["outputs"])]


COMMANDS = (
    Command("classify train", "Train a classifier of whole images, in seconds (fast) or minutes (fine-tune).",
            "visualccc classify train morphologies.csv --output morphology.safetensors --report report",
            _declare_train, _train, _show_train),
    Command("classify predict", "Class and probabilities of each plane, and whether it is unlike anything learnt.",
            "visualccc classify predict morphology.safetensors scans --output classes.csv",
            _declare_predict, _predict, _show_predict),
    Command("classify evaluate", "Measure a classifier on labelled images, with intervals over groups.",
            "visualccc classify evaluate morphology.safetensors morphologies.csv --split val --json",
            _declare_evaluate, _evaluate, _show_evaluate),
)  # fmt: skip
