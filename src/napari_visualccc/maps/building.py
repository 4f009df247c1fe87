"""From a folder of micrographs to a map, and new micrographs onto a map that is there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_visualccc.core.errors import FileFormatError, OptionError
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Stopwatch
from napari_visualccc.core.runtime import Device
from napari_visualccc.maps.files import MicrographMap
from napari_visualccc.maps.neighbours import Matrix
from napari_visualccc.maps.options import MapOptions
from napari_visualccc.maps.projection import judge, place, project
from napari_visualccc.maps.reading import Seen, Stack, image_files, micrographs_of, micrographs_of_stack
from napari_visualccc.maps.scaling import Scaling
from napari_visualccc.maps.tables import join, read_table

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.embedding_cache import EmbeddingCache


def build_map(
    paths: Path | str | Sequence[Path | str] | Stack,
    options: MapOptions | None = None,
    *,
    table: pd.DataFrame | Path | str | None = None,
    device: Device | str = Device.AUTO,
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> MicrographMap:
    """Lay micrographs out by likeness.

    Parameters
    ----------
    paths
        Folder of images, or files; or planes at hand.
    options
        See `MapOptions`.
    table
        Measured properties: a table, or a CSV or XLSX file; joined by file name, path or id.
    device
        Where to look at the micrographs.
    cache
        Where vectors are looked up and kept.

    Raises
    ------
    FileFormatError
        If no file holds an image; files that cannot be read are listed in the map.
    InputError
        If the table fits no micrograph.
    Cancelled
        From `progress`. With a cache nothing that was looked at is lost.
    """
    options = options or MapOptions()
    progress = silent(progress)
    watch = Stopwatch()
    name = _name(paths)
    properties = read_table(Path(table)) if isinstance(table, str | Path) else table
    vectors, seen, problems, embedder = _look(paths, options, device, cache, progress.part(0, 0.9))
    if not seen:
        raise FileFormatError(f"no micrograph of {name} can be read: {problems[0] if problems else 'there is none'}")
    entries = _entries(seen)
    joined, unmatched = _joined(entries, properties, str(table) if isinstance(table, str | Path) else "the table")
    scaling = Scaling.of(vectors)
    scaled = scaling.apply(vectors)
    coordinates = project(scaled, options, progress.part(0.9, 0.98))
    progress(0.98, "judging the map")
    quality = judge(scaled, coordinates)
    command = ["visualccc", "map", "build", name, "--output", "MAP"]
    command += ["--table", str(table)] if isinstance(table, str | Path) else []
    provenance = Provenance(
        "map build", options.as_dict(), name, f"{len(entries)} micrographs",
        shlex.join([*command, *to_arguments(options)]), options.seed, embedder, watch.seconds,
    )  # fmt: skip
    progress(1.0)
    return MicrographMap(
        entries, joined, vectors, coordinates, np.stack([one.thumbnail for one in seen]), scaling, quality, options,
        embedder, provenance, tuple(problems), unmatched,
    )  # fmt: skip


def extend_map(
    made: MicrographMap,
    paths: Path | str | Sequence[Path | str] | Stack,
    *,
    table: pd.DataFrame | Path | str | None = None,
    device: Device | str = Device.AUTO,
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> MicrographMap:
    """Place further micrographs on a map without moving those that are there; known ones are passed over.

    Parameters
    ----------
    table
        Properties of all micrographs, old and new; None leaves the old ones as they are.
    """
    import pandas as pd

    progress = silent(progress)
    known = set(made.entries["hash"])
    vectors, seen, problems, embedder = _look(paths, made.options, device, cache, progress.part(0, 0.9), known)
    if embedder != made.embedder:
        raise OptionError("the map was made with other weights than are installed now: build it anew")
    coordinates = made.coordinates
    if seen:
        added = place(made.scaling.apply(vectors), made.scaled, coordinates, made.options, progress.part(0.9, 1))
        coordinates = np.concatenate([coordinates, added])
        vectors = np.concatenate([made.vectors, vectors])
        thumbnails = np.concatenate([made.thumbnails, np.stack([one.thumbnail for one in seen])])
        entries = _entries(seen, made.entries)
    else:
        vectors, thumbnails, entries = made.vectors, made.thumbnails, made.entries
    properties = read_table(Path(table)) if isinstance(table, str | Path) else table
    if properties is None:
        joined = pd.concat([made.table, pd.DataFrame(index=range(len(seen)))], ignore_index=True)
        unmatched = dict(made.unmatched)
    else:
        joined, unmatched = _joined(entries, properties, "the table")
    record = replace(
        made.provenance, input_hash=f"{len(entries)} micrographs, {len(seen)} of {_name(paths)} added later"
    )
    return replace(
        made, entries=entries, table=joined, vectors=vectors, coordinates=coordinates, thumbnails=thumbnails,
        quality=judge(made.scaling.apply(vectors), coordinates), provenance=record,
        problems=(*made.problems, *problems), unmatched=unmatched,
    )  # fmt: skip


def with_table(made: MicrographMap, table: pd.DataFrame, name: str = "the table") -> MicrographMap:
    """The map with other properties."""
    joined, unmatched = _joined(made.entries, table, name)
    return replace(made, table=joined, unmatched=unmatched)


def laid_out(made: MicrographMap, options: MapOptions, progress: Progress | None = None) -> MicrographMap:
    """The same micrographs laid out anew by another method or with other settings."""
    scaling = Scaling.of(made.vectors)
    scaled = scaling.apply(made.vectors)
    coordinates = project(scaled, options, progress)
    return replace(made, coordinates=coordinates, scaling=scaling, quality=judge(scaled, coordinates), options=options)


def _name(paths: Path | str | Sequence[Path | str] | Stack) -> str:
    if isinstance(paths, Stack):
        return paths.title
    return str(paths) if isinstance(paths, str | Path) else f"{len(paths)} files"


def _files(paths: Path | str | Sequence[Path | str]) -> list[Path]:
    if isinstance(paths, str | Path):
        return image_files(Path(paths))
    return list(dict.fromkeys(file for path in paths for file in image_files(Path(path))))


def _look(
    paths: Path | str | Sequence[Path | str] | Stack,
    options: MapOptions,
    device: Device | str,
    cache: EmbeddingCache | None,
    progress: Progress,
    known: set[str] | None = None,
) -> tuple[Matrix, list[Seen], list[str], str]:
    from napari_visualccc.models.nn.embedding import Embedder

    progress(0.0, "loading the network")
    seen: list[Seen] = []
    problems: list[str] = []
    if isinstance(paths, Stack):
        items, total = micrographs_of_stack(paths, seen, problems, known, marks=options.marks), len(paths.planes)
    else:
        files = _files(paths)
        items, total = micrographs_of(files, seen, problems, known, marks=options.marks), len(files)
    embedder = Embedder(options, device)
    found = list(embedder.stream(items, total, cache=cache, progress=progress))
    return np.stack(found) if found else np.empty((0, embedder.dimensions), np.float32), seen, problems, embedder.hash


def _entries(seen: list[Seen], before: pd.DataFrame | None = None) -> pd.DataFrame:
    """Rows of micrographs; those whose pixels were there before are marked."""
    import pandas as pd

    new = pd.DataFrame([one.record for one in seen])
    entries = new if before is None else pd.concat([before, new], ignore_index=True)
    first: dict[str, str] = {}
    repeated = []
    for digest, name in zip(entries["hash"], entries["name"], strict=True):
        repeated.append(first.get(digest, ""))
        first.setdefault(digest, str(name))
    return entries.assign(duplicate_of=repeated)


def _joined(entries: pd.DataFrame, table: pd.DataFrame | None, name: str) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    import pandas as pd

    if table is None:
        return pd.DataFrame(index=range(len(entries))), {}
    # Planes at hand have no file: they go by their name.
    keys = [str(path or own) for path, own in zip(entries["path"], entries["name"], strict=True)]
    found = join(table, keys, [int(n) for n in entries["plane"]], name)
    unmatched = {"rows": found.unmatched_rows, "images": found.unmatched_images, "repeated": found.repeated}
    return found.table, unmatched
