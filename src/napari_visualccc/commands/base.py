"""What a subcommand is."""

from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.pixel_size import Axis, PixelSize
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.core.signals import ImageSignal

Answer = dict[str, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """A subcommand: its words, how its flags are declared, and what it does.

    `run` returns the object that ``--json`` prints; `show` turns it into lines for people. A name of two words makes
    a subcommand of a group: ``"segment train"``.
    """

    name: str
    help: str
    example: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Progress], Answer]
    show: Callable[[Answer], list[str]]


def declare_device(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add ``--device``."""
    from napari_visualccc.core.runtime import Device

    parser.add_argument(
        "--device", default="auto", choices=[str(device) for device in Device], help=f"Where to compute{note}."
    )


def declare_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed`` to a command that draws nothing: all that compute are called alike."""
    parser.add_argument("--seed", type=int, default=0, metavar="INT", help="Without effect: nothing is drawn here.")


def warn(notes: Iterable[str]) -> None:
    """Say on standard error what to know before believing the numbers."""
    for note in notes:
        _log.warning("%s", note)


def declare_choice(parser: argparse.ArgumentParser) -> None:
    """Add ``--signal``, ``--plane`` and ``--pixel-size``."""
    parser.add_argument("--signal", type=int, metavar="N", help="Only this image of a file that holds several.")
    parser.add_argument("--plane", type=int, metavar="N", help="Only this plane of a stack, counted from 0.")
    declare_pixel_size(parser)


def declare_pixel_size(parser: argparse.ArgumentParser) -> None:
    """Add ``--pixel-size``."""
    parser.add_argument(
        "--pixel-size", metavar="SIZE", help="Size of a pixel instead of what files say, if anything: 0.35nm, "
        "or 0.35nm,0.4nm (y,x). 1px: not known."
    )  # fmt: skip


def choice_flags(arguments: argparse.Namespace) -> list[str]:
    """The flags of `declare_choice` that were given."""
    given = [(flag, getattr(arguments, flag.replace("-", "_"))) for flag in ("signal", "plane", "pixel-size")]
    return [word for flag, value in given if value is not None for word in (f"--{flag}", str(value))]


def chosen_signals(signals: list[ImageSignal], arguments: argparse.Namespace) -> list[ImageSignal]:
    """Images of a file, or the one that ``--signal`` names, with the pixel size that was given, if any."""
    from napari_visualccc.core.errors import OptionError

    if arguments.signal is not None:
        if not 0 <= arguments.signal < len(signals):
            raise OptionError(
                f"{signals[0].path} holds the images 0 … {len(signals) - 1}; there is no {arguments.signal}"
            )
        signals = [signals[arguments.signal]]
    size = given_pixel_size(arguments)
    return signals if size is None else [signal.calibrated(size) for signal in signals]


def given_pixel_size(arguments: argparse.Namespace) -> PixelSize | None:
    """What ``--pixel-size`` says; None if it was not given."""
    from napari_visualccc.core.lengths import read_pixel_size

    return None if arguments.pixel_size is None else read_pixel_size(arguments.pixel_size)


@contextmanager
def stop_on_interrupt(is_worth_keeping: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C ask for an end that keeps what is good so far; the second one ends it at once.

    Before there is anything worth keeping the first one does: a model of one step must not replace an earlier one.

    Yields
    ------
    callable
        Whether the end was asked for.
    """
    before = signal.getsignal(signal.SIGINT)
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if not is_worth_keeping():
            raise KeyboardInterrupt
        asked = True
        signal.signal(signal.SIGINT, before)
        _log.warning("stopping: the best so far is kept; press Ctrl-C again to give up at once")

    try:
        signal.signal(signal.SIGINT, ask)
    except ValueError:  # only the main thread gets signals
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def expect_folder(path: str) -> None:
    """Refuse, before any work, to write into a folder that is a file.

    Raises
    ------
    OutputError
        If it is.
    """
    from pathlib import Path

    from napari_visualccc.core.errors import OutputError

    if Path(path).exists() and not Path(path).is_dir():
        raise OutputError(f"--output {path} is a file: give a folder")


def names_in(text: str | None) -> list[str]:
    """Names of an option, separated by commas; none if it was not given."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def chosen_plane(signal: ImageSignal, plane: int | None) -> tuple[Planes, tuple[Axis, ...]]:
    """Planes and axes of a signal, or of one plane of it."""
    if plane is None:
        return signal.planes, signal.axes
    return signal.planes.only(plane), signal.axes[-2:]
