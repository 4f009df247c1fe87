"""Measure segmented phases: fractions, objects, sizes, interfaces and the thickness of layers, in physical units."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Stopwatch, fingerprint
from napari_visualccc.core.runtime import allocate
from napari_visualccc.segment.class_names import spelled_names
from napari_visualccc.segment.enclosed import EnclosedPhases
from napari_visualccc.segment.interfaces import InterfaceLengths
from napari_visualccc.segment.measure_options import MeasureOptions, find_labels, name_of
from napari_visualccc.segment.measure_result import MeasureResult
from napari_visualccc.segment.notes import some_of
from napari_visualccc.segment.objects import PlaneObjects, measure_objects
from napari_visualccc.segment.phases import PhaseCounts
from napari_visualccc.segment.sizes import size_summary
from napari_visualccc.segment.thickness import PlaneThickness, measure_thickness, thickness_summary, thickness_table
from napari_visualccc.segment.unnamed import UnnamedLabels

if TYPE_CHECKING:
    import pandas as pd


def measure_phases(
    labels: Any,
    image: Any = None,
    options: MeasureOptions | None = None,
    *,
    pixel_size: PixelSize | None = None,
    class_names: Mapping[int, str] | None = None,
    name: str = "labels",
    arguments: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> MeasureResult:
    """Measure the phases of a label image or stack, plane by plane.

    Parameters
    ----------
    labels
        Whole numbers, shape (Y, X) or (…, Y, X), NumPy or dask; or `Planes`. Each value is a phase, except -1,
        those that the options ignore, and, if some have names, those that have none.
    image
        Intensities of the same shape, to be averaged over each object; colours count as luminance.
    options
        See `MeasureOptions`.
    pixel_size
        Of the labels; plain pixels by default. Pixels need not be square.
    class_names
        Name per label. Phases that are named but not found are listed with no area. Labels without a name count
        nowhere, which a note says, unless the options ask for one by its number. If empty, every label is a phase.
    name
        Name of the source, for the record.
    arguments
        How the command line is told of labels, image and output, for the record.
    progress
        Reports and cancels.

    Returns
    -------
    MeasureResult

    Raises
    ------
    InputError
        If the labels are not whole numbers, hold nothing but ignored values or an unexpected negative one, or the
        image does not have their shape.
    OptionError
        If a phase is asked for by a name that does not exist.
    Cancelled
        From `progress`.

    Examples
    --------
    >>> labels = np.ones((40, 60), np.uint8)
    >>> labels[10:30, 20:50] = 2
    >>> result = measure_phases(labels, pixel_size=PixelSize(0.5, 0.5, "nm"), class_names={1: "matrix", 2: "pore"})
    >>> result.phases[["class", "area_nm2", "fraction"]]
        class  area_nm2  fraction
    0  matrix     450.0      0.75
    1    pore     150.0      0.25
    >>> float(result.objects.feret_min_nm[1])
    10.0
    """
    options = options or MeasureOptions()
    progress = silent(progress)
    watch = Stopwatch()
    planes = as_planes(labels, rgb=False, name=name)
    expect_whole_numbers(planes, name)
    grey = None if image is None else as_planes(image, name="the image")
    if grey is not None and grey.shape != planes.shape:
        raise InputError(f"the image of shape {grey.shape} does not fit the labels of shape {planes.shape}")
    names = dict(class_names or {})
    measuring = _Measuring(planes, options, pixel_size or PixelSize(), names)
    for index in range(len(planes)):
        part = progress.part(0.9 * index / len(planes), 0.9 * (index + 1) / len(planes))
        measuring.add(index, None if grey is None else grey.read(index), part)
    progress(0.9, "computing intervals")
    told = [*(arguments or [name, "--output", "measurements.csv"]), *to_arguments(options)]
    told += ["--classes", spelled_names(names)] if names else []
    provenance = Provenance(
        operation="segment measure",
        parameters=options.as_dict(),
        input_name=name,
        input_hash=fingerprint(planes),
        command=shlex.join(["visualccc", "segment", "measure", *told]),
        seed=options.seed,
    )
    result = measuring.result(provenance, progress.part(0.9, 1.0))
    progress(1.0, "computing intervals")
    return replace(result, provenance=replace(result.provenance, seconds=round(watch.seconds, 4)))


def expect_whole_numbers(labels: Planes, name: str) -> None:
    """Raise an `InputError` that names the source if labels are no whole numbers."""
    if not labels.is_integer:
        raise InputError(f"labels must be whole numbers, one per phase; {name} holds {labels.dtype} values")


class _Measuring:
    """Sums and tables over planes."""

    def __init__(self, planes: Planes, options: MeasureOptions, size: PixelSize, names: dict[int, str]) -> None:
        self._planes, self._options, self._size = planes, options, size
        self._ignored = options.ignored_of(names)
        self._wanted = find_labels(options.objects_of, names, "--objects-of")
        layer = find_labels(options.thickness_of, names, "--thickness-of")
        if len(layer) > 1:
            raise OptionError(f"--thickness-of takes one phase, not {options.thickness_of!r}")
        included = find_labels(options.layer_includes, names, "--layer-includes")
        self._layer = (*layer, *included) if layer else ()
        nowhere = self._ignored & {*self._wanted, *self._layer}
        if nowhere:
            raise OptionError(f"{name_of(min(nowhere), names)} is ignored: it cannot be measured, too")
        self._unnamed = UnnamedLabels(names, (*self._wanted, *self._layer))
        self._names = {label: name for label, name in names.items() if label not in self._ignored}
        self._counts = PhaseCounts(planes.shape, options.block)
        self._lengths = InterfaceLengths(size) if options.interfaces else None
        self._objects: list[pd.DataFrame] = []
        self._numbers = allocate(planes.shape, np.uint32)
        self._found = 0
        self._empty: list[int] = []
        self._begun: Counter[int] = Counter()
        self._thickness: list[PlaneThickness] = []
        self._enclosed = EnclosedPhases(self._layer, size)
        self._map = allocate(planes.shape, np.float32) if layer else None

    def add(self, index: int, image: NDArray[Any] | None, progress: Progress) -> None:
        progress(0.0, "reading labels")
        positions, labels = self._unnamed.left_out(
            *_positions(self._planes.read(index), self._ignored, self._planes.name)
        )
        self._counts.add(positions, labels)
        if not len(labels):
            self._empty.append(index)
        phases = [phase for phase, label in enumerate(labels.tolist()) if not self._wanted or label in self._wanted]
        options = self._options
        found = measure_objects(
            positions, phases, self._size, image=image, min_size=options.min_size,
            connectivity=int(options.connectivity), exclude_edges=options.exclude_edges,
            progress=progress.part(0.05, 0.6 if self._map is None else 0.4),
        )  # fmt: skip
        self._keep_objects(index, found, labels)
        if self._lengths is not None:
            progress(0.6 if self._map is None else 0.4, "measuring interfaces")
            self._lengths.add(positions, labels)
        if self._map is not None:
            self._enclosed.add(positions, labels)
            layer = np.isin(positions, np.flatnonzero(np.isin(labels, self._layer)))
            thickness = measure_thickness(layer, self._size, progress=progress.part(0.6, 1.0))
            self._map[index] = thickness.map
            self._thickness.append(replace(thickness, map=thickness.map[:0]))
        progress(1.0, "measuring")

    def _keep_objects(self, index: int, found: PlaneObjects, labels: NDArray[np.int64]) -> None:
        import pandas as pd

        self._begun.update(dict(zip(labels.tolist(), found.begun.tolist(), strict=False)))
        numbers = self._numbers[index]
        numbers[...] = found.numbers
        numbers[numbers > 0] += self._found
        table = pd.DataFrame(found.columns)
        classes = labels[table.pop("phase").to_numpy()]
        table.insert(0, "object", np.arange(1, found.count + 1) + self._found)
        table.insert(1, "plane", index)
        table.insert(2, "label", classes)
        table.insert(3, "class", [name_of(label, self._names) for label in classes.tolist()])
        self._objects.append(table)
        self._found += found.count

    def result(self, provenance: Provenance, progress: Progress) -> MeasureResult:
        import pandas as pd

        options, size, planes = self._options, self._size, self._planes
        if not len(self._counts.labels):
            raise InputError(f"{planes.name} holds no phase: all its labels are ignored{self._unnamed.words}")
        phases, blocks = self._counts.table(self._names, size, options.bootstrap, options.seed)
        found = [table for table in self._objects if len(table)] or self._objects[:1]
        objects = pd.concat(found, ignore_index=True)
        lengths, layered = self._lengths, self._map is not None
        area = float(phases[f"area_{size.column_unit}2"].sum())
        if lengths is not None:
            phases[f"perimeter_{size.column_unit}"] = lengths.perimeters(phases["label"].to_numpy())
        record = {"block_px": [blocks.planes, blocks.height, blocks.width], "blocks": blocks.count}
        record |= {"block_tilt_deg": blocks.tilt_deg} if blocks.tilt_deg else {}
        return MeasureResult(
            provenance=replace(provenance, parameters={**provenance.parameters, **record}),
            phases=phases,
            objects=objects,
            sizes=size_summary(objects, phases, self._begun, size),
            object_labels=planes.fold(self._numbers),
            interfaces=None if lengths is None else lengths.table(self._names, area),
            thickness=thickness_table(self._thickness, size) if layered else None,
            thickness_summary=(
                thickness_summary(self._thickness, size, options.bootstrap, options.seed) if layered else None
            ),
            thickness_map=None if self._map is None else planes.fold(self._map),
            pixel_size=size,
            notes=(
                *self._unnamed.notes,
                *self._absences(),
                *(self._enclosed.notes(self._names, progress) if layered else ()),
            ),
        )

    def _absences(self) -> list[str]:
        """That what was asked for is not there, in words."""
        asked = dict.fromkeys((*self._wanted, *self._layer))
        lacking = [name_of(label, self._names) for label in asked if label not in self._counts.labels]
        notes = [f"no pixel belongs to {some_of(lacking)}"] if lacking else []
        if self._empty:
            some = some_of([str(index) for index in self._empty])
            notes.append(f"{len(self._empty)} of {len(self._planes)} planes hold no phase and count nowhere: {some}")
        if self._map is not None and not any(plane.pieces for plane in self._thickness):
            notes.append(
                "no layer was found: that is at least 2½ times as long as thick, and both of its faces lie in the image"
            )
        return notes


def _positions(values: NDArray[Any], ignored: frozenset[int], name: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number of the phase of each pixel (-1 where ignored), and the label of each number, ascending."""
    low, high = int(values.min()), int(values.max())
    if high > np.iinfo(np.int64).max:
        raise InputError(f"{name} holds the label {high}, which is too large for the number of a phase")
    if high - low <= max(values.size, 1 << 16):
        numbers = values.astype(np.int64) - low
        known = np.bincount(numbers.ravel()) > 0
        found = np.arange(low, high + 1)
    else:
        found, numbers = np.unique(values, return_inverse=True)
        known = np.ones(len(found), bool)
    known &= ~np.isin(found, list(ignored))
    negative = found[known & (found < 0)]
    if len(negative):
        raise InputError(
            f"{name} holds the negative label {negative[0]}, which cannot be a phase: ignore it (--ignore), or number "
            "the phases from 0"
        )
    lookup = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
    return lookup[numbers].reshape(values.shape), found[known].astype(np.int64)
