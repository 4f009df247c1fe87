"""Lattice analysis: the spectrum of a region, and maps of grains, phases and crystallinity of whole stacks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_visualccc.core.crystals import Crystal
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.phases import built_in_phases
from napari_visualccc.core.pixel_size import NANOMETRE, PIXEL, RECIPROCAL, PixelSize
from napari_visualccc.core.planes import Planes, Region, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Stopwatch, fingerprint
from napari_visualccc.core.runtime import allocate
from napari_visualccc.core.scan import spread
from napari_visualccc.processing.bragg import bragg_filter
from napari_visualccc.processing.diffraction import pattern_peaks, pattern_spectrum
from napari_visualccc.processing.grains import find_grains
from napari_visualccc.processing.lattice_options import LatticeOptions, longest, shortest
from napari_visualccc.processing.lattice_result import UNKNOWN, LatticeMap, SpectrumResult
from napari_visualccc.processing.matching import PhaseMatch, SpacingMatch, explain, rank_phases, spacing_matches
from napari_visualccc.processing.naming import Grain
from napari_visualccc.processing.peaks import Peaks, find_peaks
from napari_visualccc.processing.radial import radial_profile
from napari_visualccc.processing.spectrum import SMALLEST, Spectrum, power_spectrum

ROI = tuple[int, int, int, int]
_FRINGES_PER_WINDOW = 12
_WINDOW_LIMITS = (32, 512)
_WINDOW_NM = 3.0  # where no spot of the whole plane tells the period
_WINDOW_PX = 64
_PERIOD_QUANTILE = 0.75
_PLANES_LOOKED_AT = 3


def region_of(roi: ROI | None, shape: tuple[int, int]) -> Region:
    """Slices of a region ``(y0, x0, height, width)``, as far as it lies in the plane.

    Raises
    ------
    OptionError
        If it lies outside, or less than 16 × 16 pixels of it lie inside.
    """
    if roi is None:
        return slice(0, shape[0]), slice(0, shape[1])
    bounds = [
        (max(start, 0), min(start + extent, limit))
        for start, extent, limit in zip(roi[:2], roi[2:], shape, strict=True)
    ]
    if any(high - low < SMALLEST for low, high in bounds):
        raise OptionError(
            f"the region y0,x0,h,w = {','.join(map(str, roi))} covers less than {SMALLEST} × {SMALLEST} pixels of the "
            f"image of {shape[0]} × {shape[1]} (y × x)"
        )
    return slice(*bounds[0]), slice(*bounds[1])


def spectrum_of(plane: Any, pixel_size: PixelSize, options: LatticeOptions) -> tuple[Spectrum, Peaks]:
    """Spectrum and spots of a plane or region; a diffraction pattern, whose pixels are in 1/nm, is taken as it is."""
    if pixel_size.unit == RECIPROCAL:
        pattern = pattern_spectrum(plane, pixel_size)
        low, high = (None if typed == "auto" else float(typed) for typed in (options.shortest_nm, options.longest_nm))
        return pattern, pattern_peaks(pattern, false_alarms=options.false_alarms, longest=high, shortest=low)
    found = power_spectrum(plane, pixel_size, window=options.taper)
    low, high = shortest(options, pixel_size), longest(options, pixel_size)
    return found, find_peaks(found, false_alarms=options.false_alarms, longest=high, shortest=low)


def analyse_spectrum(
    images: Any,
    options: LatticeOptions | None = None,
    *,
    plane: int = 0,
    roi: ROI | None = None,
    phases: Sequence[Crystal] | None = None,
    pixel_size: PixelSize | None = None,
    rgb: bool | None = None,
    name: str = "image",
    arguments: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> SpectrumResult:
    """Spots of a region's spectrum: spacings, angles, and the phases that they may be.

    Parameters
    ----------
    images
        ``(Y, X)``, ``(N, Y, X)`` or RGB, any number type, NumPy or dask.
    options
        Limits and tolerances.
    plane
        Which plane of a stack.
    roi
        ``(y0, x0, height, width)`` in pixels; the whole plane by default.
    phases
        Candidates; the built-in ones by default. Only an image in nm, or a pattern in 1/nm, is compared with them.
    pixel_size
        Of the image.
    name, arguments
        Of the image, and how the command line is told of it.

    Raises
    ------
    InputError, OptionError
        If there is nothing to analyse, in words.

    Examples
    --------
    >>> x = np.arange(256) * 0.02
    >>> fringes = np.sin(2 * np.pi * x / 0.2355)[None] + np.zeros((256, 1))
    >>> noisy = fringes + np.random.default_rng(0).normal(size=fringes.shape)
    >>> found = analyse_spectrum(noisy, pixel_size=PixelSize(0.02, 0.02, "nm"))
    >>> found.table[["d_nm", "angle_deg"]].round(3).values.tolist()
    [[0.235, 0.0]]
    """
    options = options or LatticeOptions()
    progress = silent(progress)
    watch = Stopwatch()
    size = pixel_size or PixelSize()
    planes = as_planes(images, rgb=rgb, name=name)
    here = planes.only(plane)
    crystals = tuple(built_in_phases() if phases is None else phases)
    progress(0.0, "computing the spectrum")
    spectrum, peaks = spectrum_of(here.plane(0, region_of(roi, planes.plane_shape)), size, options)
    progress(0.3, "comparing with phases")
    ranked: tuple[PhaseMatch, ...] = ()
    explained: tuple[PhaseMatch, ...] = ()
    near: tuple[tuple[SpacingMatch, ...], ...] = ()
    if spectrum.unit == RECIPROCAL and crystals:
        scale, single = options.calibration / 100, options.distortion / 100
        ranked = tuple(rank_phases(peaks, crystals, calibration=scale, distortion=single))
        progress(0.6, "comparing with phases")
        explained = tuple(explain(peaks, crystals, calibration=scale, distortion=single))
        near = tuple(
            tuple(spacing_matches(d, e, crystals, tolerance=1.5 * (scale + single)))
            for d, e in zip(peaks.spacing, peaks.spacing_error, strict=True)
        )
    flags = ["--plane", str(plane)] if len(planes) > 1 else []
    flags += ["--roi", ",".join(map(str, roi))] if roi else []
    provenance = _record("fft", options, planes, name, [*(arguments or [name]), *flags], crystals, watch)
    progress(1.0)
    return SpectrumResult(provenance, spectrum, peaks, radial_profile(spectrum), ranked, explained, near, size)


def map_lattice(
    images: Any,
    options: LatticeOptions | None = None,
    *,
    phases: Sequence[Crystal] | None = None,
    pixel_size: PixelSize | None = None,
    rgb: bool | None = None,
    name: str = "image",
    arguments: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> LatticeMap:
    """Grains, phases and crystallinity of every plane, without training.

    Parameters
    ----------
    images
        ``(Y, X)``, ``(N, Y, X)`` or RGB, any number type, NumPy or dask; read plane by plane.
    options, phases, pixel_size, name, arguments
        As in `analyse_spectrum`.

    Raises
    ------
    InputError
        If the planes are smaller than 32 × 32 pixels, or are diffraction patterns.
    Cancelled
        From `progress`.

    Notes
    -----
    Spectra of overlapping windows show spots; equal ones of neighbouring windows are linked to fringes, fringes over
    each other to grains. The spots of a grain are compared with the candidates; each is inverse-transformed, and the
    grain ends where its fringes fall to half their height. An image that is not calibrated gives grains and spacings
    in pixels, and no phases.
    """
    options = options or LatticeOptions()
    progress = silent(progress)
    watch = Stopwatch()
    size = pixel_size or PixelSize()
    planes = as_planes(images, rgb=rgb, name=name)
    if size.unit not in (NANOMETRE, PIXEL):
        raise InputError(f"{name} has pixels in {size.unit}: a map needs an image of the specimen, in nm or px")
    if min(planes.plane_shape) < _WINDOW_LIMITS[0]:
        raise InputError(f"{name} has planes of {planes.plane_shape}: a map needs at least {_WINDOW_LIMITS[0]} pixels")
    crystals = tuple(built_in_phases() if phases is None else phases)
    window = local_window(planes, size, options)
    names = (*(crystal.name for crystal in crystals), UNKNOWN) if size.unit == NANOMETRE else (UNKNOWN,)
    grains, phase = allocate(planes.shape, np.int32), allocate(planes.shape, np.uint8)
    confidence, prominence = allocate(planes.shape, np.float32), allocate(planes.shape, np.float32)
    found: list[tuple[int, Grain]] = []
    for index in range(len(planes)):
        part = progress.part(index / len(planes), (index + 1) / len(planes))
        here = find_grains(planes.plane(index), size, options, crystals, window, part)
        label = np.array([0, *(names.index(g.match.phase if g.match else UNKNOWN) + 1 for g in here.grains)], np.uint8)
        sure = np.array([0, *(g.probability if g.match else 1.0 for g in here.grains)], np.float32)
        grains[index] = np.where(here.labels > 0, here.labels + len(found), 0)
        phase[index] = label[here.labels]
        confidence[index] = here.certainty * sure[here.labels]
        prominence[index] = here.prominence
        found += [(index, replace(grain, score=grain.score[:0])) for grain in here.grains]
    provenance = _record("fft map", options, planes, name, [*(arguments or [name]), "--map"], crystals, watch)
    progress(1.0)
    return LatticeMap(
        provenance, planes.fold(grains), planes.fold(phase), planes.fold(confidence), planes.fold(prominence), names,
        found, size, window,
    )  # fmt: skip


def local_window(planes: Planes, pixel_size: PixelSize, options: LatticeOptions) -> int:
    """Edge of local windows in pixels: as typed, or twelve of the longer fringes seen in the whole planes."""
    smallest = min(planes.plane_shape)
    if options.local_window != "auto":
        return min(int(options.local_window), smallest) // 2 * 2
    pixel = float(np.sqrt(pixel_size.y * pixel_size.x))
    periods: list[float] = []
    for index in spread(len(planes), _PLANES_LOOKED_AT):
        _, peaks = spectrum_of(planes.plane(index), pixel_size, options)
        periods += (peaks.spacing / pixel).tolist()
    if periods:
        wanted = _FRINGES_PER_WINDOW * float(np.quantile(periods, _PERIOD_QUANTILE))
    else:
        wanted = _WINDOW_NM / pixel if pixel_size.unit == NANOMETRE else _WINDOW_PX
    return int(np.clip(wanted, _WINDOW_LIMITS[0], min(_WINDOW_LIMITS[1], smallest))) // 2 * 2


def filter_spots(
    plane: Any, frequencies: Sequence[tuple[float, float]], pixel_size: PixelSize, *, width: float | None = None
) -> Any:
    """Image of some spots alone (`bragg_filter`), for frequencies in 1/nm, or 1/px.

    Parameters
    ----------
    plane
        Shape (Y, X).
    frequencies
        (y, x) of each spot.
    pixel_size
        Of the plane.
    width
        Standard deviation of the masks in the same unit; an eighth of the lowest frequency by default, which
        averages over some two fringes.
    """
    if not frequencies:
        raise OptionError("choose the spots to filter with: rows of the table")
    in_pixels = [(y * pixel_size.y, x * pixel_size.x) for y, x in frequencies]
    pixel = float(np.sqrt(pixel_size.y * pixel_size.x))
    wide = width * pixel if width else min(float(np.hypot(y, x)) for y, x in in_pixels) / 8
    return bragg_filter(plane, in_pixels, wide)


def pixel_size_from_spacing(measured: float, known_nm: float, pixel_size: PixelSize) -> PixelSize:
    """Pixel size for which a measured spacing comes out as the one it is known to be.

    Parameters
    ----------
    measured
        Spacing as measured with `pixel_size`, in its unit (px if it is not calibrated).
    known_nm
        What it is in nm.
    pixel_size
        Of the image so far; for a diffraction pattern in 1/nm the measured spacing is in nm.

    Raises
    ------
    OptionError
        If a spacing is not positive.

    Examples
    --------
    >>> pixel_size_from_spacing(10, 0.2355, PixelSize())
    PixelSize(y=0.02355, x=0.02355, unit='nm')
    """
    if not (measured > 0 and known_nm > 0):
        raise OptionError("spacings must be positive")
    factor = known_nm / measured
    if pixel_size.unit == RECIPROCAL:
        return PixelSize(pixel_size.y / factor, pixel_size.x / factor, RECIPROCAL)
    return PixelSize(pixel_size.y * factor, pixel_size.x * factor, NANOMETRE)


def _record(
    operation: str, options: LatticeOptions, planes: Planes, name: str, words: Sequence[str],
    crystals: Sequence[Crystal], watch: Stopwatch,
) -> Provenance:  # fmt: skip
    chosen = ",".join(crystal.name for crystal in crystals)
    return Provenance(
        operation=operation,
        parameters=options.as_dict() | {"phases": [crystal.name for crystal in crystals]},
        input_name=name,
        input_hash=fingerprint(planes),
        command=shlex.join(["visualccc", "fft", *words, "--phases", chosen, *to_arguments(options), "--output", "fft"]),
        seconds=round(watch.seconds, 4),
    )
