from pathlib import Path

import numpy as np

from napari_visualccc.cluster import ClusterOptions, cluster_pixels
from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.layers import Placement, axis_labels, result_layers, signal_layer

AXES = (Axis("Time", 3, 0.8, 0.0, "s"), Axis("y", 8, 0.2, 5.0, "nm"), Axis("x", 9, 0.3, -5.0, "nm"))
SIGNAL = ImageSignal(np.zeros((3, 8, 9), np.uint8), AXES, "scan", Path("scan.emd"), metadata={"detector": "HAADF"})


def test_a_signal_becomes_a_calibrated_layer():
    data, words, kind = signal_layer(SIGNAL)
    assert kind == "image"
    assert data is SIGNAL.data
    assert words["scale"] == (0.8, 0.2, 0.3)
    assert words["translate"] == (0, 5, -5)
    assert words["units"] == ("s", "nm", "nm")
    assert words["axis_labels"] == ("Time", "y", "x")
    assert words["metadata"]["visualccc"]["instrument"] == {"detector": "HAADF"}


def test_pixels_are_called_pixel_because_px_is_a_css_length():
    assert Placement.of_plane("a", PixelSize()).units == ("pixel", "pixel")


def test_axis_labels_are_made_distinct():
    assert axis_labels((Axis("y", 1), Axis("x", 1), Axis("y", 1), Axis("y", 1))) == ("y", "x", "y2", "y3")


def test_a_result_lies_where_its_source_lies():
    image = np.arange(72, dtype=np.uint8).reshape(8, 9)
    result = cluster_pixels(image, ClusterOptions(k=3), name="scan")
    place = Placement("scan", (0.2, 0.3), (5.0, -5.0), ("nm", "nm"), ("y", "x"))
    ((data, words, kind),) = result_layers(result, place)
    assert kind == "labels"
    assert words["name"] == "scan · clusters"
    assert (words["scale"], words["translate"], words["units"]) == ((0.2, 0.3), (5.0, -5.0), ("nm", "nm"))
    assert words["features"]["index"].tolist() == [1, 2, 3]
    assert words["metadata"]["visualccc"]["provenance"]["operation"] == "cluster"
    assert set(words["colormap"]) == {None, 0, 1, 2, 3}
    assert data.shape == image.shape


def test_napari_takes_the_layers_as_they_are():
    from napari.layers import Layer

    for made in (signal_layer(SIGNAL), *result_layers(cluster_pixels(SIGNAL.data), Placement.of_signal(SIGNAL))):
        layer = Layer.create(*made)
        assert tuple(str(unit) for unit in layer.units) == ("second", "nanometer", "nanometer")
