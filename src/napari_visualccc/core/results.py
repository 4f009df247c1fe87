"""What every capability gives back: arrays to show, tables to keep, and the record of how they came about."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_visualccc._version import __version__
from napari_visualccc.core.planes import Planes

if TYPE_CHECKING:
    import pandas as pd

Colour = tuple[float, float, float, float]
_HASH_BLOCKS = 64
_HASH_BLOCK_PIXELS = 1 << 16


@dataclass(frozen=True)
class Provenance:
    """How a result was made: enough to make it again and to cite it.

    Attributes
    ----------
    operation
        Name of the verb: ``"cluster"``.
    parameters
        All options, also those left at their default.
    input_name, input_hash
        Name of the file or layer, and `fingerprint` of its pixels.
    command
        The command line that repeats it.
    seed
        Seed of all random choices; None if there were none.
    model_hash
        Hash of the model file that was used, if any.
    seconds
        Wall time of the computation.
    version
        Version of napari-visualccc.
    finished
        Time of completion, ISO 8601, UTC.
    """

    operation: str
    parameters: Mapping[str, Any]
    input_name: str
    input_hash: str
    command: str = ""
    seed: int | None = None
    model_hash: str | None = None
    seconds: float = 0.0
    version: str = __version__
    finished: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"parameters": dict(self.parameters)}


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._start


@dataclass(frozen=True)
class ResultLayer:
    """One array of a result, to be shown over the source or written to a file.

    Attributes
    ----------
    data
        Array with the shape of the source (without its colour axis).
    kind
        ``"labels"`` for integer classes (0 = nothing), ``"image"`` for values.
    title
        What it is: ``"clusters"`` becomes the layer ``<source> · clusters``.
    colours
        RGBA in 0 … 1 per label.
    table
        One row per label with the column ``label`` first; shown as the layer's features.
    limits, colormap
        Of an image that lies over its source: the values shown darkest and brightest, and napari's name of its
        colours.
    """

    data: NDArray[Any]
    kind: Literal["image", "labels"]
    title: str
    colours: Mapping[int, Colour] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    limits: tuple[float, float] | None = None
    colormap: str = ""


@dataclass(frozen=True)
class Result:
    """Base of all results; features derive from it and say what their layers and tables are."""

    provenance: Provenance

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """Arrays to show, most important last (it comes on top)."""
        return ()

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by name; each becomes a CSV file."""
        return {}


def fingerprint(planes: Planes) -> str:
    """Hash that recognises an image by its pixels.

    All pixels of small images; of large ones 64 evenly spread blocks of rows, so that a file of many gigabytes
    is recognised in milliseconds (the text then starts with ``sampled-``).
    """
    height, width = planes.plane_shape
    digest = hashlib.blake2b(repr((planes.leading, height, width, str(planes.dtype))).encode(), digest_size=16)
    if planes.size <= _HASH_BLOCKS * _HASH_BLOCK_PIXELS:
        bands = [(index, slice(None)) for index in range(len(planes))]
        kind = "blake2b"
    else:
        rows = min(height, max(1, _HASH_BLOCK_PIXELS // width))
        firsts = np.linspace(0, len(planes) * height - 1, _HASH_BLOCKS).astype(int).tolist()
        tops = [(first // height, min(first % height, height - rows)) for first in firsts]
        bands = [(index, slice(top, top + rows)) for index, top in tops]
        kind = "sampled-blake2b"
    for index, band in bands:
        digest.update(np.ascontiguousarray(planes.read(index, (band, slice(None)))).tobytes())
    return f"{kind}:{digest.hexdigest()}"
