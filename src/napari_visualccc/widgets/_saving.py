"""Where to write to: a path with its ending, and no file replaced that the user was not asked about."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

_ENDING = re.compile(r"\*(\.[\w.]+)")


def ask_path(
    parent: QWidget,
    title: str,
    proposal: str,
    pattern: str,
    *,
    ending: str,
    files: Callable[[str], Sequence[Path]] = lambda path: [Path(path)],
) -> str:
    """Path to write to; empty if the user does not want to.

    Parameters
    ----------
    parent, title, proposal, pattern
        Of the dialog; ``;;`` stands between kinds of files. The path has one of the endings of the pattern, also on
        systems whose dialog does not add it.
    ending
        Added to a path that has none of them, unless another kind of file was chosen.
    files
        All that will be written at a path, if that is more than the path itself. The dialog asked about the name that
        was typed only: which of the others exist is asked here.
    """
    path, chosen = QFileDialog.getSaveFileName(parent, title, proposal, pattern)
    if not path:
        return ""
    known = _ENDING.findall(pattern)
    named = _with_ending(path, proposal, known, _ENDING.findall(chosen) or [ending])
    unasked = [one for one in files(named) if one.exists() and one != Path(path)]
    return named if not unasked or _may_replace(parent, title, unasked) else ""


def _with_ending(path: str, proposal: str, known: Sequence[str], chosen: Sequence[str]) -> str:
    """Path with one of the endings chosen, unless the user typed another that is known."""
    if path.lower().endswith(tuple(chosen)):
        return path
    has = next((one for one in known if path.lower().endswith(one)), "")
    if has and not proposal.endswith(has):
        return path
    # Some dialogs leave the proposed ending where another kind of file was chosen.
    return path[: len(path) - len(has)] + chosen[0]


def _may_replace(parent: QWidget, title: str, files: Sequence[Path]) -> bool:
    names = ", ".join(one.name for one in files)
    words = f"In {files[0].parent} there {'is' if len(files) == 1 else 'are'} already {names}. Replace?"
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    return bool(QMessageBox.question(parent, title, words, yes | no, no) == yes)
