"""Where to write to: a path with its ending, and no file replaced that the user was not asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


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
        Of the dialog.
    ending
        The path has it, also on systems whose dialog does not add it.
    files
        All that will be written at a path, if that is more than the path itself. The dialog asked about the name that
        was typed only: which of the others exist is asked here.
    """
    path, _ = QFileDialog.getSaveFileName(parent, title, proposal, pattern)
    if not path:
        return ""
    named = path if path.lower().endswith(ending) else path + ending
    unasked = [one for one in files(named) if one.exists() and one != Path(path)]
    return named if not unasked or _may_replace(parent, title, unasked) else ""


def _may_replace(parent: QWidget, title: str, files: Sequence[Path]) -> bool:
    names = ", ".join(one.name for one in files)
    words = f"In {files[0].parent} there {'is' if len(files) == 1 else 'are'} already {names}. Replace?"
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    return bool(QMessageBox.question(parent, title, words, yes | no, no) == yes)
