"""What a subcommand is."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.progress import Progress

if TYPE_CHECKING:
    from napari_visualccc.core.pixel_size import Axis
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
    """Add ``--signal`` and ``--plane``."""
    parser.add_argument("--signal", type=int, metavar="N", help="Only this image of a file that holds several.")
    parser.add_argument("--plane", type=int, metavar="N", help="Only this plane of a stack, counted from 0.")


def choice_flags(arguments: argparse.Namespace) -> list[str]:
    """The flags of `declare_choice` that were given."""
    flags: list[str] = []
    for flag in ("signal", "plane"):
        number = getattr(arguments, flag)
        flags += [] if number is None else [f"--{flag}", str(number)]
    return flags


def chosen_signals(signals: list[ImageSignal], arguments: argparse.Namespace) -> list[ImageSignal]:
    """Images of a file, or the one that ``--signal`` names."""
    from napari_visualccc.core.errors import OptionError

    if arguments.signal is None:
        return signals
    if not 0 <= arguments.signal < len(signals):
        raise OptionError(f"{signals[0].path} holds the images 0 … {len(signals) - 1}; there is no {arguments.signal}")
    return [signals[arguments.signal]]


def names_in(text: str | None) -> list[str]:
    """Names of an option, separated by commas; none if it was not given."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def chosen_plane(signal: ImageSignal, plane: int | None) -> tuple[Planes, tuple[Axis, ...]]:
    """Planes and axes of a signal, or of one plane of it."""
    if plane is None:
        return signal.planes, signal.axes
    return signal.planes.only(plane), signal.axes[-2:]
