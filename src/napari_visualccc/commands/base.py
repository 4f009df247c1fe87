"""What a subcommand is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_visualccc.core.progress import Progress

Answer = dict[str, Any]


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
