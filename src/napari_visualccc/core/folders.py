"""The package's own folders in a user's account."""

from __future__ import annotations

from pathlib import Path

_NAME = "napari-visualccc"


def cache_folder() -> Path:
    """For what can be computed or fetched again; users delete it as they like."""
    from platformdirs import user_cache_path

    return user_cache_path(_NAME, appauthor=False)


def data_folder() -> Path:
    """For what would be missed."""
    from platformdirs import user_data_path

    return user_data_path(_NAME, appauthor=False)
