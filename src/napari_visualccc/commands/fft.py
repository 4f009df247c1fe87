"""`visualccc fft`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.commands.base import (
    Answer,
    Command,
    chosen_signals,
    declare_device,
    declare_pixel_size,
    declare_seed,
    names_in,
)
from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.crystals import Crystal
    from napari_visualccc.core.signals import ImageSignal
    from napari_visualccc.processing import LatticeMap, SpectrumResult
    from napari_visualccc.processing.lattice import ROI


def _declare(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.processing.lattice_options import LatticeOptions

    parser.add_argument("path", metavar="PATH", help="Image file, or folder of images (one stack).")
    parser.add_argument("--roi", metavar="Y0,X0,H,W", help="Only this region of the plane, in pixels.")
    parser.add_argument("--plane", type=int, metavar="N", help="Plane of a stack, counted from 0. Default: 0; "
                        "a map is made of the whole stack.")  # fmt: skip
    parser.add_argument("--signal", type=int, default=0, metavar="N", help="Image of a file that holds several.")
    declare_pixel_size(parser)
    parser.add_argument("--phases", metavar="A,B,…", help="Candidate phases by name. Default: all of the table.")
    parser.add_argument("--phase-table", metavar="FILE", help="CSV or JSON table of phases beside the built-in ones.")
    parser.add_argument("--known-d", type=float, metavar="NM", help="Calibrate first: true spacing of the strongest "
                        "spot in nm.")  # fmt: skip
    parser.add_argument("--map", action="store_true", help="Also map grains, phases and crystallinity of all planes.")
    parser.add_argument("--bragg", action="store_true", help="Also write the image that the spots alone make.")
    parser.add_argument("--output", metavar="DIR", help="Folder for tables and maps. Default: nothing is written.")
    add_arguments(parser, LatticeOptions)
    declare_seed(parser)
    declare_device(parser, " (spectra: CPU)")


def _fft(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.io import read, write_result
    from napari_visualccc.processing import LatticeOptions, analyse_spectrum, map_lattice, pixel_size_from_spacing

    options = from_arguments(LatticeOptions, arguments)
    if (arguments.map or arguments.bragg) and not arguments.output:
        raise OptionError("--map and --bragg write images: say where with --output")
    roi = _roi(arguments.roi)
    signal = chosen_signals(read(arguments.path), arguments)[0]
    phases = _phases(arguments)
    size = signal.pixel_size
    told = [arguments.path, *(["--signal", str(arguments.signal)] if arguments.signal else [])]
    told += [] if arguments.pixel_size is None else ["--pixel-size", arguments.pixel_size]
    shared: dict[str, Any] = {"phases": phases, "name": arguments.path, "arguments": told}
    plane = arguments.plane or 0
    if arguments.known_d is not None:
        first = analyse_spectrum(signal.planes, options, plane=plane, roi=roi, pixel_size=size, phases=())
        if not len(first.peaks):
            raise OptionError(f"{arguments.path} shows no spot to calibrate with")
        size = pixel_size_from_spacing(float(first.peaks.spacing[0]), arguments.known_d, size)
        shared["arguments"] += ["--known-d", f"{arguments.known_d:g}"]
    result = analyse_spectrum(
        signal.planes, options, plane=plane, roi=roi, pixel_size=size, progress=progress.part(0, 0.2), **shared
    )
    answer = _answer(result)
    written: list[Path] = []
    stem = Path(arguments.path).stem
    if arguments.output:
        written += write_result(result, arguments.output, f"{stem}_fft", size)
    if arguments.bragg:
        written.append(_write_bragg(signal, result, plane, roi, Path(arguments.output) / f"{stem}_bragg.ome.tif"))
    if arguments.map:
        planes = signal.planes if arguments.plane is None else signal.planes.only(plane)
        lattice = map_lattice(planes, options, pixel_size=size, progress=progress.part(0.2, 1), **shared)
        written += write_result(lattice, arguments.output, stem, size)
        answer |= _map_answer(lattice)
    return answer | {"outputs": [str(path) for path in written]}


def _answer(result: SpectrumResult) -> Answer:
    unit = result.spectrum.length_unit
    table = result.table
    peaks = [
        {
            **{key: row[key] for key in (f"d_{unit}", f"d_error_{unit}", "angle_deg", "snr", "phase", "hkl")},
            "matches": [
                {"phase": name, "hkl": hkl}
                for name, _, hkl in (text.partition(" ") for text in result.matches(number))
            ],
        }
        for number, row in enumerate(table.to_dict("records"))
    ]  # fmt: skip
    return {
        "peaks": peaks,
        "phases": result.phases.to_dict("records"),
        "pixel_size": [result.pixel_size.y, result.pixel_size.x],
        "unit": result.pixel_size.unit,
        "calibrated": result.pixel_size.is_calibrated,
        "seconds": result.provenance.seconds,
        "provenance": result.provenance.as_dict(),
    }


def _map_answer(lattice: LatticeMap) -> Answer:
    return {
        "grains": lattice.table.to_dict("records"),
        "phase_fractions": lattice.phase_table.to_dict("records"),
        "crystalline_fraction": lattice.crystalline_fraction,
        "window_px": lattice.window_px,
        "map_seconds": lattice.provenance.seconds,
    }


def _write_bragg(signal: ImageSignal, result: SpectrumResult, plane: int, roi: ROI | None, path: Path) -> Path:
    from napari_visualccc.io import write_tiff
    from napari_visualccc.processing import filter_spots
    from napari_visualccc.processing.lattice import region_of

    planes = signal.planes
    image = planes.plane(plane, region_of(roi, planes.plane_shape))
    frequencies = [(float(y), float(x)) for y, x in result.peaks.frequency]
    filtered = filter_spots(image, frequencies, result.pixel_size)
    return write_tiff(path, filtered, result.pixel_size, metadata={"provenance": result.provenance.as_dict()})


def _roi(text: str | None) -> ROI | None:
    if text is None:
        return None
    try:
        y, x, height, width = (int(part) for part in text.split(","))
    except ValueError as error:
        raise OptionError(f"--roi takes four whole numbers y0,x0,h,w, not {text!r}") from error
    return y, x, height, width


def _phases(arguments: argparse.Namespace) -> tuple[Crystal, ...]:
    from napari_visualccc.core.phases import built_in_phases, choose_phases, read_phases

    own = read_phases(arguments.phase_table) if arguments.phase_table else ()
    named = {crystal.name for crystal in own}
    table = (*own, *(crystal for crystal in built_in_phases() if crystal.name not in named))
    return choose_phases(names_in(arguments.phases), table)


def _show(answer: Answer) -> list[str]:
    unit = "nm" if answer["unit"] in ("nm", "1/nm") else answer["unit"]
    lines = [] if answer["calibrated"] else ["not calibrated: spacings are in pixels, and no phase can be named"]
    lines += [
        f"d = {peak[f'd_{unit}']:.4f} ± {peak[f'd_error_{unit}']:.4f} {unit}  {peak['angle_deg']:7.1f}°  "
        f"SNR {peak['snr']:.3g}  " + ", ".join(f"{match['phase']} {match['hkl']}" for match in peak["matches"][:3])
        for peak in answer["peaks"]
    ] or ["no spots above noise"]
    lines += [
        f"{row['phase']}: log-odds {row['log_odds']:.1f}, {row['spots']} spots, zone [{row['zone']}]"
        for row in answer["phases"][:3]
    ]
    lines += [
        f"grain {row['label']}: {row['phase']} ({row['probability']:.0%}), "
        + ", ".join(
            f"{key} {value:.4g}" for key, value in row.items() if key.startswith(("d_n", "d_p", "orient", "area"))
        )
        for row in answer.get("grains", [])
    ]
    return lines + [f"wrote {path}" for path in answer["outputs"]]


COMMANDS = (
    Command("fft", "Spots of a spectrum or diffraction pattern: spacings, angles, phases; maps of grains and phases.",
            "visualccc fft hrtem.dm4 --roi 256,256,512,512 --phases Li,Li2O,LiF,Li2CO3 --map --output lattice",
            _declare, _fft, _show),
)  # fmt: skip
