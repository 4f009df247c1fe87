"""What a widget remembers while its viewer lives: options survive closing and reopening its dock."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

_sessions: WeakKeyDictionary[Any, dict[str, dict[str, Any]]] = WeakKeyDictionary()


def remembered(viewer: Any, widget: str) -> dict[str, Any]:
    """Dictionary of one kind of widget in one viewer, to be read and written."""
    return _sessions.setdefault(bare(viewer), {}).setdefault(widget, {})


def bare(viewer: Any) -> Any:
    """Viewer itself: napari hands plugins a proxy, whose layers are proxies that nothing else keeps alive."""
    return getattr(viewer, "__wrapped__", viewer)
