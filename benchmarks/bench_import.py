"""How light the package is: imports, and the time to build and show each widget once napari is up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from _timing import report

HEAVY = ("torch", "torchvision", "sklearn", "umap", "captum")
WIDGETS = {"Cluster": "cluster", "Map": "map", "Pixel size": "pixel_size"}


def child() -> None:
    """In a fresh interpreter: a viewer, then each widget; print seconds and heavy modules as JSON."""
    import napari
    from napari._qt.qt_event_loop import get_qapp

    get_qapp()
    viewer = napari.Viewer(show=True)
    application = get_qapp()
    for _ in range(20):
        application.processEvents()
    before = set(sys.modules)
    seconds = {}
    for name in WIDGETS:
        start = time.perf_counter()
        dock, _ = viewer.window.add_plugin_dock_widget("napari-visualccc", name)
        application.processEvents()
        dock.repaint()
        application.processEvents()
        seconds[name] = time.perf_counter() - start
    loaded = {module.split(".")[0] for module in set(sys.modules) - before}
    print(json.dumps({"seconds": seconds, "heavy": sorted(loaded & set(HEAVY))}))
    viewer.close()


def package() -> tuple[float, list[str]]:
    """Seconds to import the package in a fresh interpreter, beyond those of the bare one, and heavy modules loaded."""
    code = (
        "import time, sys; t = time.perf_counter(); import napari_visualccc, napari_visualccc.cli; "
        f"print(time.perf_counter() - t, *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    words = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    return float(words[0]), words[1:]


def main() -> int:
    if "--child" in sys.argv:
        child()
        return 0
    seconds, heavy = package()
    command = [sys.executable, __file__, "--child"]
    if not os.environ.get("DISPLAY") and sys.platform.startswith("linux"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1100x24", *command]
    # The first run fills the byte-code and font caches; a user pays for those once.
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        for _ in range(3)
    ]
    widgets = {name: min(run["seconds"][name] for run in runs) for name in WIDGETS}
    met = report(
        "import",
        {
            "heavy modules loaded by the package": (len(heavy), "<=", 0),
            "heavy modules loaded by building the widgets": (len(runs[0]["heavy"]), "<=", 0),
            **{f"seconds until '{name}' is on screen": (value, "<=", 0.3) for name, value in widgets.items()},
        },
        import_seconds=seconds,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
