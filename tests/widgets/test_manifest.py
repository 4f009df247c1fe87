from pathlib import Path

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-visualccc")


def test_link_at_the_top_is_the_same_file():
    assert (ROOT / "napari.yaml").read_text() == (ROOT / "src/napari_visualccc/napari.yaml").read_text()


def test_everything_can_be_imported(manifest):
    manifest.validate_imports()


def test_patterns_are_those_of_the_reader(manifest):
    from napari_visualccc.io import EM_PATTERNS

    (reader,) = manifest.contributions.readers
    assert set(reader.filename_patterns) == set(EM_PATTERNS)
    assert not {"*.tif", "*.tiff", "*.TIF"} & set(reader.filename_patterns)


def test_menus_name_widgets(manifest):
    commands = {widget.command for widget in manifest.contributions.widgets}
    for menu, items in manifest.contributions.menus.items():
        assert menu.startswith("napari/layers/")
        assert {item.command for item in items} <= commands


def test_viewer_opens_both(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    for name in ("Cluster", "Pixel size", "Process"):
        dock, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", name)
        assert widget.hint.text()
