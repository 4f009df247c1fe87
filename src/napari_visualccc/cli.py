"""`visualccc`: parse, call, print.

Each command is one function of the package behind flags made from its options. With ``--json`` one JSON object and
nothing else goes to stdout; words for people go to stderr. Exit codes: 0 done, 2 the user must change something,
1 a bug.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from signal import signal as handle
from typing import Any, NoReturn

from napari_visualccc._version import __version__
from napari_visualccc.commands import classify, explain, fft, maps, measurement, models, process, segment, segment_train
from napari_visualccc.commands.base import (
    Answer,
    Command,
    choice_flags,
    chosen_plane,
    chosen_signals,
    declare_choice,
    declare_device,
)
from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.params import add_arguments, from_arguments
from napari_visualccc.core.plain import plain
from napari_visualccc.core.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give back its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s: %(message)s")
    bar = _Bar()
    try:
        with _termination_as_interrupt():
            return _run(arguments, bar)
    except (VisualCCCError, OSError) as error:  # of the system: a disk that is taken away meanwhile, for one
        words = str(error)
    except MemoryError as error:
        words = f"not enough memory: close other programs, or do it in parts {error}"
    except KeyboardInterrupt:
        words = "cancelled"
    bar.clear()
    sys.stderr.write(f"visualccc: {words}\n")
    return 2


def _run(arguments: Sequence[str] | None, bar: _Bar) -> int:
    parser = build_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.exit(2, f"visualccc: unknown: {' '.join(unknown)} (see visualccc {parsed.command.name} --help)\n")
    bar.visible = sys.stderr.isatty() and not parsed.json
    answer = parsed.command.run(parsed, Progress(bar))
    bar.clear()
    try:
        print(json.dumps(plain(answer)) if parsed.json else "\n".join(parsed.command.show(answer)), flush=True)
    except BrokenPipeError:  # who reads it, `head` for one, has seen enough; nor shall Python complain when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 2 if answer.get("failed") else 0


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let a program that is told to end (by a cluster's queue, for one) leave nothing half-written."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = handle(SIGTERM, interrupt)
    except ValueError:  # only the main thread gets signals
        yield
        return
    try:
        yield
    finally:
        handle(SIGTERM, before)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing all flags."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"visualccc: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    parser = _Parser(
        prog="visualccc", description="Classify, segment, cluster and map electron micrographs of materials."
    )
    parser.add_argument("--version", action="version", version=f"visualccc {__version__}")
    parts = parser.add_subparsers(required=True, metavar="COMMAND")
    groups: dict[str, Any] = {}
    for command in _commands():
        group, _, name = command.name.rpartition(" ")
        if group and group not in groups:
            about = f"{group.capitalize()}: {', '.join(c.name for c in _commands() if c.name.startswith(group + ' '))}."
            groups[group] = parts.add_parser(group, help=about, description=about).add_subparsers(
                required=True, metavar="VERB"
            )
        part = groups.get(group, parts).add_parser(
            name,
            help=command.help,
            description=command.help,
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.declare(part)
        part.add_argument("--json", action="store_true", help="Print one JSON object and nothing else on stdout.")
        part.set_defaults(command=command)
    return parser


def _commands() -> tuple[Command, ...]:
    return (
        Command("info", "What the reader sees in an image file or folder.", "visualccc info scan.dm4 --json",
                _declare_info, _info, _show_info),
        Command("cluster", "Group pixels by likeness; labels dark to bright, and a table of areas.",
                "visualccc cluster scan.dm4 --k 3 --features intensity,local --output clusters",
                _declare_cluster, _cluster, _show_cluster),
        *process.COMMANDS,
        *fft.COMMANDS,
        *classify.COMMANDS,
        *segment_train.COMMANDS,
        *segment.COMMANDS,
        *measurement.COMMANDS,
        *maps.COMMANDS,
        *explain.COMMANDS,
        *models.COMMANDS,
        Command("demo", "The whole workflow on the built-in sample micrographs.", "visualccc demo --output demo-output",
                _declare_demo, _demo, _show_demo),
    )  # fmt: skip


def _declare_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="Image file in any format that the plugin reads, or a folder.")


def _info(arguments: argparse.Namespace, _: Progress) -> Answer:
    from napari_visualccc.io import read

    return {"path": arguments.path, "signals": [signal.summary() for signal in read(arguments.path)]}


def _show_info(answer: Answer) -> list[str]:
    lines = [answer["path"]]
    for number, signal in enumerate(answer["signals"]):
        shape = " × ".join(str(n) for n in signal["shape"])
        y, x = signal["pixel_size"]
        size = "not calibrated (px)" if signal["unit"] == "px" else f"{y:.6g} × {x:.6g} {signal['unit']} (y × x)"
        lines += [f"[{number}] {signal['name']}: {shape} {signal['dtype']}", f"    pixel size {size}"]
        lines += [
            f"    axis {axis['name']}: {axis['size']} × {axis['scale']:.6g} {axis['unit']} from {axis['offset']:.6g}"
            for axis in signal["axes"]
        ]
        lines += [f"    {key}: {value}" for key, value in signal["metadata"].items()]
        lines += [f"    note: {note}" for note in signal["notes"]]
    return lines


def _declare_cluster(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.cluster.options import ClusterOptions

    parser.add_argument("path", metavar="PATH", help="Image file, or folder of images that are clustered alike.")
    parser.add_argument("--output", metavar="DIR", required=True, help="Folder for labels and tables.")
    declare_choice(parser)
    add_arguments(parser, ClusterOptions)
    declare_device(parser, " (k-means: CPU)")


def _cluster(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.cluster import cluster_pixels
    from napari_visualccc.cluster.options import ClusterOptions
    from napari_visualccc.core.runtime import choose_device
    from napari_visualccc.io import read, write_result

    options = from_arguments(ClusterOptions, arguments)
    choose_device(arguments.device)
    signals = chosen_signals(read(arguments.path), arguments)
    found: list[Answer] = []
    for number, signal in enumerate(signals):
        part = progress.part(number / len(signals), (number + 1) / len(signals))
        planes, axes = chosen_plane(signal, arguments.plane)
        path = str(arguments.path)
        result = cluster_pixels(
            planes,
            options,
            pixel_size=signal.pixel_size,
            name=path,
            arguments=[path, *choice_flags(arguments)],
            progress=part,
        )
        stem = Path(arguments.path).stem + (f"_{number}" if len(signals) > 1 else "")
        written = write_result(result, arguments.output, stem, axes)
        found.append(
            {
                "name": signal.name,
                "clusters": result.table.to_dict("records"),
                "inertia": result.inertia,
                "exact": result.exact,
                "k": result.k,
                "pixel_size": [result.pixel_size.y, result.pixel_size.x],
                "unit": result.pixel_size.unit,
                "seconds": result.provenance.seconds,
                "outputs": [str(path) for path in written],
                "provenance": result.provenance.as_dict(),
            }
        )
    answer = {**found[0], "outputs": [path for one in found for path in one["outputs"]]}
    answer["seconds"] = sum(one["seconds"] for one in found)
    return answer if len(found) == 1 else {**answer, "signals": found}


def _show_cluster(answer: Answer) -> list[str]:
    lines = []
    for one in answer.get("signals", [answer]):
        lines.append(f"{one['name']}: {one['k']} clusters in {one['seconds']:.2f} s")
        lines += [
            f"  {row['label']:>3}  {row['area_fraction']:8.2%}  intensity {row['mean_intensity']:.5g} "
            f"± {row['std_intensity']:.3g}"
            for row in one["clusters"]
        ]
    return lines + [f"wrote {path}" for path in answer["outputs"]]


def _declare_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="DIR", default="visualccc-demo", help="Folder for pictures and report.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the simulated micrographs.")
    parser.add_argument(
        "--viewer",
        choices=["auto", "never"],
        default="auto",
        help="Open the results in napari at the end if there is a display (auto), or never.",
    )
    declare_device(parser, ": without effect, the demo decides itself")


def _demo(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.demo import has_display, open_viewer, run_demo

    answer = run_demo(Path(arguments.output), seed=arguments.seed, progress=progress)
    if arguments.viewer == "auto" and not arguments.json and has_display():
        sys.stderr.write(f"report: {answer['report']}\nopening napari; close its window to end the demo\n")
        open_viewer()
    return answer


def _show_demo(answer: Answer) -> list[str]:
    lines = [f"{line['what']}: {line['measured']:.4g} (true {line['true']:.4g})" for line in answer["measured"]]
    return [*lines, f"wrote {len(answer['outputs'])} files in {answer['seconds']:.1f} s, see {answer['report']}"]


class _Bar:
    """Progress bar on a terminal; silent elsewhere.

    It keeps to one line, which alone can be written over: long words make it shorter, and are cut at last.
    """

    LONGEST, SHORTEST = 30, 10

    def __init__(self) -> None:
        self.visible = False
        self._shown = 0.0

    def __call__(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if not self.visible or now - self._shown < 0.1:
            return
        self._shown = now
        room = shutil.get_terminal_size().columns - len(" 100% ") - 1  # in the last column a terminal may go on below
        width = min(self.LONGEST, max(self.SHORTEST, room - len(message)))
        most = max(room - width, 1)
        message = message if len(message) <= most else message[: most - 1] + "…"
        filled = round(fraction * width)
        sys.stderr.write(f"\r\x1b[K{'█' * filled}{'·' * (width - filled)} {fraction:4.0%} {message}")
        sys.stderr.flush()

    def clear(self) -> None:
        if self.visible:
            sys.stderr.write("\r\x1b[K")


if __name__ == "__main__":
    sys.exit(main())
