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
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".visualccc-", dir=path.parent))
        temporary = folder / path.name
        yield temporary
        if path.is_dir() and temporary.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary.parent, ignore_errors=True)
