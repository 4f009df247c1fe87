"""Files that are either the old one or the new one, never half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_visualccc.core.errors import OutputError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Path to write to, moved to `path` when all is well; otherwise the old file stays as it was.

    Raises
    ------
    OutputError
        If the disk is full, the folder is missing or writing is not allowed.
    """
    with replacing(path) as temporary, writing(path):
        yield temporary


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As `atomic`, for long work that also reads: what fails meanwhile is not said to be for writing.

    Raises
    ------
    OutputError
        If the folder cannot be made, or `path` not be replaced; put what writes into `writing`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".visualccc-", dir=path.parent))
    temporary = folder / path.name
    try:
        yield temporary
        with writing(path):
            if path.is_dir() and temporary.is_dir():
                shutil.rmtree(path)
            os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of errors of the system that `path` could not be written.

    Raises
    ------
    OutputError
        In place of them.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}") from error
