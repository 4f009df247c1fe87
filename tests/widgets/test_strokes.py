"""Layers of strokes: kept as one paints, found again, and moved with their image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_visualccc.widgets._strokes import STROKES

WAIT_MS = 30_000


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Strokes are kept in a folder of the test."""
    monkeypatch.setattr("napari_visualccc.segment.strokes.strokes_folder", lambda: tmp_path / "strokes")
    return tmp_path / "strokes"


def picture(seed=0, shape=(48, 64)):
    return np.random.default_rng(seed).integers(0, 1000, shape, dtype=np.uint16)


@pytest.fixture
def stroke_layers(qtbot):
    """Layers of strokes in a viewer without a window."""
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget

    from napari_visualccc.widgets._strokes import StrokeLayers

    parent = QWidget()
    qtbot.addWidget(parent)
    layers = StrokeLayers(ViewerModel(), parent)
    layers.set_phases({1: "ground", 2: "disc"}, {1: (1, 0, 0, 1), 2: (0, 1, 0, 1)})
    yield layers
    layers._keeper.cancel()
    layers._keeper.wait(20)


def kept_for(image, labels, names):
    """Strokes of an earlier session on disk."""
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.core.results import fingerprint
    from napari_visualccc.segment.strokes import Strokes, autosave_path, save_strokes

    path = autosave_path(fingerprint(Planes(image, rgb=False)))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_strokes(path, Strokes(labels, names))
    return path


def settled(layers, qtbot):
    """Wait until all is restored and kept."""
    with qtbot.waitSignal(layers.counted, timeout=30_000):
        layers._painted()
    qtbot.waitUntil(lambda: not layers._keeper.is_running, timeout=30_000)


def test_painting_before_the_earlier_strokes_are_there_loses_nothing(stroke_layers, qtbot):
    first, second = picture(), picture(1)
    earlier = np.zeros(first.shape, np.uint8)
    earlier[10, 10:20] = 2
    paths = [kept_for(one, earlier, {1: "ground", 2: "disc"}) for one in (first, second)]
    add = stroke_layers._viewer.add_image
    strokes = [stroke_layers.paint(add(first, name="a"), 1), stroke_layers.paint(add(second, name="b"), 1)]
    for one in strokes:
        one.data[10, 5:15] = 1  # before the event loop has turned
    settled(stroke_layers, qtbot)
    for one, path in zip(strokes, paths, strict=True):
        assert one.data[10, 5:20].tolist() == [1] * 10 + [2] * 5
        assert path.exists()


def test_restored_phases_go_by_name(stroke_layers, qtbot):
    first, second = picture(), picture(1)
    labels = np.zeros(second.shape, np.uint8)
    labels[5, :4] = (1, 2, 3, 0)
    kept_for(second, labels, {1: "disc", 2: "halo", 3: "ground"})
    seen = []
    stroke_layers.restored.connect(lambda layer, names: seen.append(names))
    stroke_layers.paint(stroke_layers._viewer.add_image(first, name="a"), 1).data[0, 0] = 1
    strokes = stroke_layers.paint(stroke_layers._viewer.add_image(second, name="b"), 1)
    settled(stroke_layers, qtbot)
    assert strokes.data[5, :4].tolist() == [2, 3, 1, 0]
    assert seen == [{1: "ground", 2: "disc", 3: "halo"}]


def test_images_with_the_same_pixels_share_their_strokes_file(stroke_layers, qtbot, own_folder):
    image = picture()
    painted = stroke_layers.paint(stroke_layers._viewer.add_image(image, name="a"), 1)
    stroke_layers.paint(stroke_layers._viewer.add_image(image.copy(), name="b"), 1)
    painted.data[0, :3] = 1
    settled(stroke_layers, qtbot)
    assert len(list(own_folder.iterdir())) == 1
    painted.data[:] = 0
    settled(stroke_layers, qtbot)
    assert not list(own_folder.iterdir())


def test_counting_a_stack_takes_no_memory_of_its_size():
    import tracemalloc

    from napari_visualccc.widgets._stroke_keeping import count_labels

    labels = np.zeros((50, 200, 300), np.uint8)
    labels[7, 5, :6] = (1, 1, 1, 2, 2, 9)
    tracemalloc.start()
    assert count_labels(labels) == {1: 3, 2: 2, 9: 1}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < labels.nbytes / 10


def place_of(layer):
    return tuple(layer.scale), tuple(layer.translate), tuple(map(str, layer.units))


def test_strokes_move_with_their_image_and_bear_its_name(stroke_layers, qtbot):
    image = stroke_layers._viewer.add_image(picture(), name="a")
    strokes = stroke_layers.paint(image, 1)
    image.name = "b"
    image.units = ("nm", "nm")
    image.scale, image.translate = (2, 3), (10, 20)
    assert strokes.name == f"b · {STROKES}"
    assert place_of(strokes) == place_of(image) == ((2, 3), (10, 20), ("nanometer", "nanometer"))
    settled(stroke_layers, qtbot)
    from napari_visualccc.widgets._strokes import StrokeLayers

    assert StrokeLayers(stroke_layers._viewer, stroke_layers.parent()).of(image) is strokes


def test_strokes_of_pixels_that_are_gone_are_put_aside(stroke_layers, qtbot, own_folder):
    image = stroke_layers._viewer.add_image(picture(), name="a")
    strokes = stroke_layers.paint(image, 1)
    strokes.data[0, :3] = 1
    settled(stroke_layers, qtbot)
    kept = {path: path.read_bytes() for path in own_folder.iterdir()}
    seen = []
    stroke_layers._warn = seen.append
    image.data = picture(1, (30, 40))
    assert "put aside" in seen[0]
    assert stroke_layers.of(image) is None
    assert "of other pixels" in strokes.name
    new = stroke_layers.paint(image, 2)
    assert new.data.shape == (30, 40)
    settled(stroke_layers, qtbot)
    assert {path: path.read_bytes() for path in own_folder.iterdir()} == kept


def test_one_image_that_cannot_be_read_does_not_keep_the_others_from_it(stroke_layers, qtbot):
    import dask.array as da

    def torn(block):
        raise OSError("the file is torn")

    lazy = da.zeros((48, 64), chunks=16).map_blocks(torn, dtype=np.uint8, meta=np.zeros((0, 0), np.uint8))
    good = stroke_layers.paint(stroke_layers._viewer.add_image(picture(), name="good"), 1)
    image = stroke_layers._viewer.add_image(np.zeros((48, 64), np.uint8), name="bad")
    image._data = lazy  # napari would read it to show it
    seen = []
    stroke_layers._warn = seen.append
    bad = stroke_layers.paint(image, 1)
    good.data[0, :3], bad.data[0, :5] = 1, 2
    counts = []
    stroke_layers.counted.connect(counts.append)
    settled(stroke_layers, qtbot)
    assert counts[-1] == {1: 3, 2: 5}
    assert all("torn" in words for words in seen)
    assert 2 <= len(seen) <= 3  # it was neither found nor kept
    qtbot.wait(1200)
    assert len(seen) <= 3


def test_a_damaged_file_of_strokes_is_told_of_and_replaced(stroke_layers, qtbot):
    path = kept_for(picture(), np.ones((48, 64), np.uint8), {1: "ground"})
    content = bytearray(path.read_bytes())
    for place in range(60, len(content) - 400, 3):
        content[place] ^= 0xFF
    path.write_bytes(content)
    seen = []
    stroke_layers._warn = seen.append
    strokes = stroke_layers.paint(stroke_layers._viewer.add_image(picture(), name="a"), 1)
    strokes.data[0, :3] = 1
    settled(stroke_layers, qtbot)
    assert len(seen) == 1
    assert "earlier session" in seen[0]
    from napari_visualccc.segment.strokes import load_strokes

    assert load_strokes(path, (48, 64)).labels.sum() == 3


@pytest.mark.parametrize("gone", ["strokes", "image", "viewer"])
def test_the_last_stroke_is_kept(stroke_layers, qtbot, own_folder, gone):
    viewer = stroke_layers._viewer
    image = viewer.add_image(picture(), name="a")
    strokes = stroke_layers.paint(image, 1)
    settled(stroke_layers, qtbot)
    strokes.paint((20, 30), 1)
    count = int((strokes.data == 1).sum())
    if gone == "viewer":
        stroke_layers.parent().show()
        stroke_layers.parent().hide()
    else:
        viewer.layers.remove(strokes if gone == "strokes" else image)
    from napari_visualccc.segment.strokes import load_strokes

    (path,) = own_folder.iterdir()
    assert (load_strokes(path, (48, 64)).labels == 1).sum() == count > 0


def test_another_plane_is_no_stroke(stroke_layers, qtbot):
    viewer = stroke_layers._viewer
    strokes = stroke_layers.paint(viewer.add_image(np.stack([picture(), picture(1)]), name="a"), 1)
    settled(stroke_layers, qtbot)
    painted = []
    stroke_layers.painted.connect(lambda: painted.append(1))
    for step in (1, 0, 1):
        viewer.dims.set_current_step(0, step)
    assert not painted
    strokes.paint((1, 20, 30), 1)
    assert painted
    painted.clear()
    strokes.undo()
    assert painted
    assert not strokes.data.any()


def test_an_undo_below_a_stack_is_kept(stroke_layers, qtbot):
    """Moving the slider of a stack sends nothing to a layer of one plane."""
    viewer = stroke_layers._viewer
    strokes = stroke_layers.paint(viewer.add_image(picture(), name="a"), 1)
    viewer.add_image(np.stack([picture()] * 3), name="stack")
    strokes.paint((20, 30), 1)
    settled(stroke_layers, qtbot)
    viewer.dims.set_current_step(0, 2)
    assert stroke_layers.is_counted
    strokes.undo()
    assert not strokes.data.any()
    assert not stroke_layers.is_counted


def test_strokes_put_aside_choose_no_phase(stroke_layers):
    image = stroke_layers._viewer.add_image(picture(), name="a")
    strokes = stroke_layers.paint(image, 1)
    image.data = picture(1, (30, 40))
    chosen = []
    stroke_layers.phase_chosen.connect(chosen.append)
    strokes.selected_label = 7
    assert not chosen
