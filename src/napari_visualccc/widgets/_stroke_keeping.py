"""Strokes on disk: kept as one paints, found again in the next session. Plain functions, without Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import fingerprint
from napari_visualccc.segment.strokes import Strokes, autosave_path, load_strokes, save_strokes


@dataclass(frozen=True)
class Restored:
    """Strokes of an earlier session; None if there are none. `problem` says why they cannot be read."""

    strokes: Strokes | None
    problem: str = ""


@dataclass(frozen=True)
class Kept:
    """Painted pixels of each phase over all images, and why not all could be kept; empty if they could."""

    pixels: dict[int, int]
    problem: str = ""


def run_restore(planes: Planes, shape: tuple[int, ...], progress: Progress) -> Restored:
    """Strokes kept earlier for these pixels. A file that cannot be read is replaced at the first stroke."""
    try:
        path = autosave_path(fingerprint(planes))
        return Restored(load_strokes(path, shape) if path.exists() else None)
    except Exception as error:  # noqa: BLE001 - a lazy image may raise anything, and painting must go on
        return Restored(None, str(error))


def run_keep(images: list[tuple[Planes, Any]], names: Mapping[int, str], progress: Progress) -> Kept:
    """Keep all strokes on disk and count them. One image that cannot be read does not keep the others from it."""
    total: Counter[int] = Counter()
    problem = ""
    # Images with the same pixels share a file.
    kept: dict[Path, NDArray[np.uint8] | None] = {}
    for planes, painted in images:
        progress.check()
        labels = np.asarray(painted)
        counts = count_labels(labels)
        total.update(counts)
        try:
            path = autosave_path(fingerprint(planes))
        except Exception as error:  # noqa: BLE001 - a lazy image may raise anything
            problem = str(error)
            continue
        others = kept.get(path)
        if not counts:
            kept[path] = others
        else:
            kept[path] = labels if others is None else np.where(labels == 0, others, labels)
    for path, strokes in kept.items():
        try:
            if strokes is None:
                path.unlink(missing_ok=True)
            else:
                save_strokes(path, Strokes(strokes, names))
        except (OutputError, OSError) as error:
            problem = str(error)
    return Kept(dict(total), problem)


def count_labels(labels: NDArray[Any], progress: Progress | None = None) -> dict[int, int]:
    """Pixels of each label but 0, plane by plane: a stack may be most of the memory, and is hardly painted."""
    counts: Counter[int] = Counter()
    for plane in labels.reshape(-1, *labels.shape[-2:]):
        if progress is not None:
            progress.check()
        values, numbers = np.unique(plane[plane != 0], return_counts=True)
        counts.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    return counts
