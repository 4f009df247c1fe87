"""What a widget remembers while its viewer lives: options survive closing and reopening its dock."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

_sessions: WeakKeyDictionary[Any, dict[str, dict[str, Any]]] = WeakKeyDictionary()


def remembered(viewer: Any, widget: str) -> dict[str, Any]:
    """Dictionary of one kind of widget in one viewer, to be read and written."""
    bare = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a proxy
    return _sessions.setdefault(bare, {}).setdefault(widget, {})
