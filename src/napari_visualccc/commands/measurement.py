"""`visualccc segment measure`."""

from __future__ import annotations

import argparse
import json
import math
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
from napari_visualccc.core.errors import OptionError, OutputError
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.signals import ImageSignal


# What is written beside the table of objects.
_WRITTEN = (
    ".csv", "_phases.csv", "_sizes.csv", "_interfaces.csv", "_thickness.csv", "_thickness_summary.csv",
    "_histogram.csv", "_objects.ome.tif", "_thickness.ome.tif", "_provenance.json",
)  # fmt: skip


def _declare(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.segment.measure_options import MeasureOptions

    parser.add_argument("labels", metavar="LABELS", help="Label image or stack; the value is the phase.")
    parser.add_argument("--image", metavar="PATH", help="Micrograph of the same shape, for intensities of objects.")
    parser.add_argument(
        "--image-signal", type=int, metavar="N", help="This image of a micrograph's file that holds several; without, "
        "the one that the labels were predicted from, if their record tells it.",
    )  # fmt: skip
    parser.add_argument(
        "--classes", metavar="A,B,…",
        help="Names of the phases in the order of their values: those of the table beside the labels; without one, "
        "those that the labels hold if there are as many, else from 0 if they hold 0. 255 and what is ignored by its "
        "number are no phase. Or 1=A,2=B,… by value.",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="CSV", required=True,
        help="File for the objects; the other tables, the numbered objects and the map of thickness are put beside it.",
    )  # fmt: skip
    declare_choice(parser)
    add_arguments(parser, MeasureOptions)
    declare_device(parser, " (measuring: CPU)")


def _measure(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.io.writers import write_csv, write_json, write_layers
    from napari_visualccc.segment import MeasureOptions, measure_phases
    from napari_visualccc.segment.folders import expect_same_names

    options = from_arguments(MeasureOptions, arguments)
    path = Path(arguments.labels)
    output = Path(arguments.output)
    if output.is_dir():
        raise OutputError(f"{output} is a folder: give the name of a table in it, such as {output / 'measured.csv'}")
    if arguments.image_signal is not None and not arguments.image:
        raise OptionError("--image-signal says which image of a file is meant: give the file by --image, too")
    output = output if output.suffix == ".csv" else output.with_name(output.name + ".csv")
    _expect_free(output, arguments)
    signal = _labels(path, arguments)
    (labels, axes), image = chosen_plane(signal, arguments.plane), None
    size, notes = signal.pixel_size, []
    flags = [str(path), *choice_flags(arguments)]
    if arguments.image:
        micrograph, chosen = _micrograph(arguments, signal)
        expect_same_names(micrograph, signal)
        flags += ["--image", arguments.image, *chosen]
        image = chosen_plane(micrograph, arguments.plane)[0]
        if not size.is_calibrated and micrograph.pixel_size.is_calibrated and arguments.pixel_size is None:
            size = micrograph.pixel_size
            axes = signal.calibrated(size).axes[-len(axes) :]
            notes = [f"the labels have no pixel size: that of {arguments.image} is taken ({size})"]
    result = measure_phases(
        labels, image, options, pixel_size=size, class_names=_names(arguments, signal, options.ignore),
        name=str(path), arguments=[*flags, "--output", arguments.output], progress=progress,
    )  # fmt: skip
    notes += result.notes
    warn(notes)
    tables, record = result.tables, result.provenance.as_dict()
    written = [write_csv(output, tables.pop("objects"))]
    written += [write_csv(output.with_name(f"{output.stem}_{name}.csv"), table) for name, table in tables.items()]
    written += write_layers(result, output.parent, output.stem, axes)
    written.append(write_json(output.with_name(f"{output.stem}_provenance.json"), record))
    return {
        "fractions": result.phases.to_dict("records"),
        "objects": result.objects.to_dict("records"),
        **{
            name: table.to_dict("records")
            for name, table in tables.items()
            if name not in ("phases", "histogram", "thickness")
        },
        "pixel_size": [result.pixel_size.y, result.pixel_size.x],
        "unit": result.pixel_size.unit,
        "notes": notes,
        "outputs": [str(one) for one in written],
        "seconds": result.provenance.seconds,
        "provenance": record,
    }


def _labels(path: Path, arguments: argparse.Namespace) -> ImageSignal:
    """The one label image or stack that is to be measured."""
    from napari_visualccc.segment.folders import as_labels, read_labels
    from napari_visualccc.segment.measurement import expect_whole_numbers

    signals = chosen_signals(read_labels(path), arguments)
    if len(signals) > 1:
        raise OptionError(
            f"{path} holds {len(signals)} images that are no stack ({_listed(signals)}): choose one by --signal"
        )
    labels = as_labels(signals[0], path)
    expect_whole_numbers(labels.planes, str(path))
    return labels


def _listed(signals: list[ImageSignal]) -> str:
    from napari_visualccc.segment.notes import some_of

    return some_of([f"{number}: {signal.name}" for number, signal in enumerate(signals)])


def _micrograph(arguments: argparse.Namespace, labels: ImageSignal) -> tuple[ImageSignal, list[str]]:
    """The image for intensities, and the flags that choose it among those of its file."""
    from napari_visualccc.io import read

    signals, number = read(arguments.image), arguments.image_signal
    if number is None:
        if len(signals) == 1:
            return signals[0], []
        number = _segmented(signals, labels, Path(arguments.labels))
    if number is None:
        raise OptionError(
            f"{arguments.image} holds {len(signals)} images ({_listed(signals)}), and no record tells to which of them "
            "the labels belong: choose one by --image-signal"
        )
    if not 0 <= number < len(signals):
        raise OptionError(f"{arguments.image} holds the images 0 … {len(signals) - 1}; there is no {number}")
    return signals[number], ["--image-signal", str(number)]


def _segmented(signals: list[ImageSignal], labels: ImageSignal, path: Path) -> int | None:
    """Number of the image that labels were predicted from, by its pixels; None if their record does not tell."""
    from napari_visualccc.core.results import fingerprint

    table = _table_beside(path)
    if table is None:
        return None
    record = _record_beside(table)
    try:
        known = json.loads(record.read_text(encoding="utf-8")).get("input_hash")
    except (OSError, ValueError, AttributeError):  # there is none, or it is not ours
        return None
    alike = [number for number, signal in enumerate(signals) if signal.planes.shape == labels.planes.shape]
    stem = record.name.removesuffix("_provenance.json")
    # Of images with the same pixels the one by whose number predict named the labels.
    alike.sort(key=lambda number: not stem.endswith(f"_{number}"))
    return next((number for number in alike if fingerprint(signals[number].planes) == known), None)


def _names(arguments: argparse.Namespace, labels: ImageSignal, ignore: str) -> dict[int, str] | None:
    """Names as given, or from the tables that `segment predict` wrote beside its labels."""
    from napari_visualccc.segment.annotations import label_values
    from napari_visualccc.segment.class_names import names_to_measure, numbered_names

    named = numbered_names(arguments.classes or "")
    if named is not None:
        return named
    path = Path(arguments.labels)
    predicted = _predicted([path / name for name in dict.fromkeys(labels.plane_names)] or [path])
    if not arguments.classes:
        return predicted
    if predicted is not None:  # it knows phases that this image lacks, and which value is none
        return names_to_measure(arguments.classes, predicted, ignore, complete=True)
    return names_to_measure(arguments.classes, label_values(labels.planes), ignore)


def _predicted(files: list[Path]) -> dict[int, str] | None:
    """Names in the tables beside these labels, those of one stack; None if there is no table."""
    tables = {file: names for file in files if (names := _names_beside(file)) is not None}
    if not tables:
        return None
    first, *others = tables
    for other in others:
        if tables[other] != tables[first]:
            raise OptionError(
                f"the tables beside {first} and {other.name} name other phases: measure the files one by one, or say "
                "--classes 1=…,2=…"
            )
    return tables[first]


def _table_beside(path: Path) -> Path | None:
    """Where `segment predict` writes the table of the labels in this file; None if it does not write such files."""
    for extension in (".ome.tif", ".ome.zarr"):
        if path.name.endswith(extension):
            return path.with_name(path.name.removesuffix(extension) + ".csv")
    return None


def _names_beside(path: Path) -> dict[int, str] | None:
    """Names in the table that `segment predict` wrote beside the labels in this file."""
    beside = _table_beside(path)
    if beside is None or not beside.exists():
        return None
    import pandas as pd

    table = pd.read_csv(beside, keep_default_na=False, dtype={"class": str})  # a phase may be called NA
    # Not what was measured: objects, which some phases may lack, and fractions, of which some may be left out.
    if not {"label", "class"} <= set(table.columns) or {"object", "fraction"} & set(table.columns):
        return None
    return {int(value): str(name) for value, name in zip(table["label"], table["class"], strict=True)}


def _expect_free(output: Path, arguments: argparse.Namespace) -> None:
    """Refuse to write over the labels, the micrograph, and what `segment predict` wrote beside the labels."""
    from napari_visualccc.segment.folders import label_files

    kept = [Path(arguments.image)] if arguments.image else []
    for labels in label_files(arguments.labels):
        table = _table_beside(labels)
        kept.append(labels)
        if table is not None and _names_beside(labels) is not None:
            kept += [table, _record_beside(table)]
    taken = {path.resolve() for path in kept}
    for name in _WRITTEN:
        path = output.with_name(f"{output.stem}{name}")
        if path.resolve() in taken:
            raise OutputError(
                f"--output {arguments.output} would write over {path}, which belongs to what is measured: give another "
                f"name, such as {output.stem}_measured.csv"
            )


def _record_beside(table: Path) -> Path:
    """Where `segment predict` writes the record of the labels that have this table."""
    return table.with_name(f"{table.stem.removesuffix('_phases')}_provenance.json")


def _show(answer: Answer) -> list[str]:
    lines = [
        f"{row['class']} ({row['label']}): {_with_interval(row, 'fraction', '', '.2%')}" for row in answer["fractions"]
    ]
    lines.append(f"{len(answer['objects'])} objects")
    unit = answer["unit"]
    column = PixelSize(unit=unit).column_unit
    lines += [
        f"thickness of the layer in {unit}: {_with_interval(row, 'mean', f'_{column}', '.4g')}"
        for row in answer.get("thickness_summary", ())
        if row["plane"] == "all" and not math.isnan(row[f"mean_{column}"])
    ]
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _with_interval(row: Answer, name: str, unit: str, form: str) -> str:
    low, high = row[f"{name}_low{unit}"], row[f"{name}_high{unit}"]
    interval = "no interval" if math.isnan(low) else f"95 %: {low:{form}} … {high:{form}}"
    return f"{row[name + unit]:{form}} ({interval})"


COMMANDS = (
    Command("segment measure", "Phase fractions with intervals, objects, layer thickness, interfaces, in nm.",
            "visualccc segment measure scan_phases.ome.tif --image scan.dm4 --thickness-of oxide --output oxide.csv",
            _declare, _measure, _show),
)  # fmt: skip
