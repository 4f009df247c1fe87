"""The end of the demo: a viewer to try the tools in."""

from __future__ import annotations

import os
import subprocess
import sys


def has_display() -> bool:
    """Tell whether a window could be shown."""
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("CI")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and not os.environ.get("CI")


def open_viewer() -> None:
    """Open napari with a sample and the cluster widget in a process of its own, and wait until it is closed."""
    subprocess.run([sys.executable, "-m", "napari_visualccc.widgets.demo"], check=False)
