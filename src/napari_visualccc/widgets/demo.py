"""The last step of ``visualccc demo``: napari with a sample and the Cluster widget, ready to try."""

from __future__ import annotations


def main() -> None:
    """Open napari and wait until it is closed."""
    import napari

    from napari_visualccc.widgets._calibrate import scale_bar

    viewer = napari.Viewer(title="Visual-CCC demo")
    viewer.open_sample("napari-visualccc", "porous")
    scale_bar(viewer).visible = True
    viewer.window.add_plugin_dock_widget("napari-visualccc", "Cluster")
    napari.run()


if __name__ == "__main__":
    main()
