"""`visualccc map build`, `properties`, `similar`, `export`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.commands.base import Answer, Command, declare_device, declare_seed
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.models.embedding_cache import EmbeddingCache

_SHOWN = 10


def _declare_build(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.maps.options import MapOptions

    parser.add_argument("path", metavar="PATH", help="Folder of micrographs (or one file that holds a stack).")
    parser.add_argument("--output", metavar="MAP", required=True, help="File for the map, or one to be extended.")
    parser.add_argument(
        "--table", metavar="CSV", help="Measured properties, CSV or XLSX, with a column 'path' or 'id': path, file "
        "name or stem of each micrograph."
    )  # fmt: skip
    parser.add_argument("--extend", action="store_true", help="Place new micrographs on the map that is there.")
    parser.add_argument("--no-cache", action="store_true", help="Look at all micrographs anew.")
    add_arguments(parser, MapOptions)
    declare_device(parser)


def _build(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.results import Stopwatch
    from napari_visualccc.maps import MapOptions, build_map, extend_map, load_map, save_map

    watch = Stopwatch()
    words: dict[str, Any] = {
        "table": arguments.table, "device": arguments.device, "cache": _cache(arguments.no_cache), "progress": progress,
    }  # fmt: skip
    if arguments.extend:
        made = extend_map(load_map(arguments.output), arguments.path, **words)
    else:
        made = build_map(arguments.path, from_arguments(MapOptions, arguments), **words)
    written = save_map(made, arguments.output)
    duplicates = made.entries[made.entries["duplicate_of"] != ""]
    return {
        "n": len(made),
        "seconds": watch.seconds,
        "trustworthiness": made.quality.trustworthiness,
        "preservation": made.quality.preservation,
        "neighbours": made.quality.neighbours,
        "columns": [str(column) for column in made.table.columns],
        "problems": list(made.problems),
        "duplicates": [
            {"name": name, "duplicate_of": other}
            for name, other in zip(duplicates["name"], duplicates["duplicate_of"], strict=True)
        ],
        "unmatched": dict(made.unmatched),
        "outputs": [str(written)],
        "provenance": made.provenance.as_dict(),
    }


def _cache(no: bool) -> EmbeddingCache | None:
    from napari_visualccc.models.embedding_cache import EmbeddingCache

    return None if no else EmbeddingCache()


def _show_build(answer: Answer) -> list[str]:
    lines = [
        f"{answer['n']} micrographs in {answer['seconds']:.1f} s; {_share(answer['preservation'])} of the nearest "
        f"{answer['neighbours']} are neighbours on the map too (trustworthiness {answer['trustworthiness']:.3f})"
    ]
    unmatched = answer["unmatched"]
    lists = [
        ("cannot be read", answer["problems"]),
        ("same pixels", [f"{one['name']} = {one['duplicate_of']}" for one in answer["duplicates"]]),
        ("rows without micrograph", unmatched.get("rows", [])),
        ("micrographs without row", unmatched.get("images", [])),
        ("rows that say the same name", unmatched.get("repeated", [])),
    ]
    for title, entries in lists:
        if entries:
            more = f" … and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
            lines.append(f"{title} ({len(entries)}): {', '.join(entries[:_SHOWN])}{more}")
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"


def _declare_properties(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.maps.options import PropertyOptions

    parser.add_argument("map", metavar="MAP", help="Map with a table of properties.")
    parser.add_argument("--target", metavar="COLUMN", required=True, help="Property: a column of numbers.")
    parser.add_argument("--table", metavar="CSV", help="Other properties than those in the map.")
    parser.add_argument("--regions", metavar="PATH", help="Micrograph on which to show what drives the prediction.")
    parser.add_argument("--output", metavar="DIR", help="Folder for predictions, clusters, heatmap.")
    add_arguments(parser, PropertyOptions)
    declare_device(parser, " (for --regions)")


def _properties(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.core.results import Stopwatch
    from napari_visualccc.io.writers import write_csv
    from napari_visualccc.maps import (
        PropertyOptions,
        cluster_micrographs,
        cluster_table,
        load_map,
        predict_property,
        with_table,
    )
    from napari_visualccc.maps.tables import read_table

    if arguments.regions and not arguments.output:
        raise OptionError("--regions needs --output: the folder for the heatmap")
    watch = Stopwatch()
    options = from_arguments(PropertyOptions, arguments)
    made = load_map(arguments.map)
    if arguments.table:
        made = with_table(made, read_table(Path(arguments.table)), arguments.table)
    result = predict_property(made, arguments.target, options, progress=progress.part(0, 0.8))
    labels = cluster_micrographs(made, options.clusters, options.seed)
    clusters = cluster_table(made, labels, arguments.target, options.group)
    answer = result.as_dict() | {"clusters": clusters.to_dict("records"), "outputs": []}
    if arguments.output:
        folder = Path(arguments.output)
        folder.mkdir(parents=True, exist_ok=True)
        answer["outputs"] = [
            str(write_csv(folder / f"{arguments.target}_predictions.csv", result.table)),
            str(write_csv(folder / f"{arguments.target}_clusters.csv", clusters)),
        ]
        if arguments.regions:
            answer |= _write_regions(arguments, made, folder, answer["outputs"], progress.part(0.8, 1))
    return answer | {"seconds": watch.seconds}


def _write_regions(
    arguments: argparse.Namespace, made: Any, folder: Path, outputs: list[str], progress: Progress
) -> Answer:
    from napari_visualccc.io import read
    from napari_visualccc.io.writers import write_tiff
    from napari_visualccc.maps import driving_regions
    from napari_visualccc.models.micrographs import Micrograph
    from napari_visualccc.models.nn.embedding import Embedder

    signal = read(arguments.regions)[0]
    embedder = Embedder(made.options, arguments.device)
    micrograph = Micrograph(signal.planes, 0, signal.pixel_size)
    found = driving_regions(made, arguments.target, micrograph, embedder, group=arguments.group or "auto",
                            progress=progress)  # fmt: skip
    path = folder / f"{Path(arguments.regions).stem}_{arguments.target}_regions.ome.tif"
    outputs.append(str(write_tiff(path, found.heatmap, signal.pixel_size)))
    return {"prediction": found.prediction, "typical": found.regressor.mean}


def _show_properties(answer: Answer) -> list[str]:
    lines = [
        f"{answer['target']}: {answer['n']} micrographs, {answer['groups']} groups ({answer['group_column']})",
        f"  rank correlation {answer['spearman']:.2f} (ridge), {answer['knn_spearman']:.2f} (neighbours), "
        f"p = {answer['p_value']:.3g}",
        f"  R² {answer['ridge_r2']:.2f} (ridge), {answer['knn_r2']:.2f} (neighbours), {answer['map_knn_r2']:.2f} "
        "(neighbours on the map)",
        f"  for comparison: pixel size, brightness and contrast alone R² {answer['acquisition_r2']:.2f}, "
        f"others of the same group R² {answer['group_r2']:.2f}",
    ]
    lines += [
        f"  cluster {row['cluster']}: {row['mean']:.4g} (95 %: {row['low']:.4g} … {row['high']:.4g}), "
        f"n = {row['n']} in {row['groups']} groups"
        for row in answer["clusters"]
    ]
    lines += [f"  note: {note}" for note in answer["notes"]]
    if answer["strange"]:
        lines.append(f"  not numbers, left out: {', '.join(answer['strange'][:_SHOWN])}")
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _declare_similar(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("map", metavar="MAP", help="Map of micrographs.")
    parser.add_argument("path", metavar="PATH", help="Micrograph to look for; need not be on the map.")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="How many to list. Default: 10.")
    parser.add_argument("--plane", type=int, default=0, metavar="N", help="Plane of a stack, counted from 0.")
    declare_seed(parser)
    declare_device(parser)


def _similar(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.core.errors import OptionError
    from napari_visualccc.maps import load_map, most_similar, place_of
    from napari_visualccc.maps.reading import vector_of
    from napari_visualccc.maps.similar import check_embedder
    from napari_visualccc.models.nn.embedding import Embedder

    if arguments.top < 1:
        raise OptionError(f"--top must be at least 1, not {arguments.top}")
    made = load_map(arguments.map)
    embedder = Embedder(made.options, arguments.device)
    check_embedder(made, embedder.hash)
    vector = vector_of(Path(arguments.path), arguments.plane, embedder, made.options.marks, progress)
    near = most_similar(made, vector, arguments.top)
    x, y = place_of(made, vector)
    return {
        "path": arguments.path,
        "neighbours": near.drop(columns="row").to_dict("records"),
        "position": [float(x), float(y)],
    }


def _show_similar(answer: Answer) -> list[str]:
    return [f"{one['distance']:.3f}  {one['name']}  {one['path']}" for one in answer["neighbours"]]


def _declare_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("map", metavar="MAP", help="Map of micrographs.")
    parser.add_argument("--output", metavar="FILE", required=True,
                        help="html: page with all thumbnails that works offline; svg: figure; csv: table.")  # fmt: skip
    parser.add_argument("--colour", metavar="COLUMN", help="Property or category that colours the points.")


def _export(arguments: argparse.Namespace, _: Progress) -> Answer:
    from napari_visualccc.maps import load_map
    from napari_visualccc.maps.export import export_map

    return {"outputs": [str(export_map(load_map(arguments.map), Path(arguments.output), arguments.colour))]}


def _show_export(answer: Answer) -> list[str]:
    return [f"wrote {path}" for path in answer["outputs"]]


COMMANDS = (
    Command("map build", "Lay micrographs out by likeness: vectors, 2-D coordinates, joined properties, in one file.",
            "visualccc map build films --table films.csv --output films.map.zarr.zip", _declare_build, _build,
            _show_build),
    Command("map properties", "How well the look of micrographs predicts a property, with grouped cross-validation.",
            "visualccc map properties films.map.zarr.zip --target jc_ma_cm2 --group specimen", _declare_properties,
            _properties, _show_properties),
    Command("map similar", "Micrographs that look most like one.",
            "visualccc map similar films.map.zarr.zip new.tif --top 5", _declare_similar, _similar, _show_similar),
    Command("map export", "A map as page, figure or table.",
            "visualccc map export films.map.zarr.zip --colour porosity --output films.html", _declare_export, _export,
            _show_export),
)  # fmt: skip
