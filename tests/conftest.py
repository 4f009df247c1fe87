"""Fixtures for all rooms."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with real micrographs; tests that need it are skipped where it is missing."""
    default = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("VISUALCCC_DATA", default))
    if not folder.is_dir():
        pytest.skip("real micrographs are not here: set VISUALCCC_DATA to their folder")
    return folder
