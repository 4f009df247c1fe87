"""What every widget asks of layers."""

import warnings

import numpy as np
import pytest
from napari.layers import Image, Labels, Points
from napari.utils._proxies import PublicOnlyProxy

from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.widgets._layers import axes_for_files, kind_of, label_under
from napari_visualccc.widgets._source import placement_of


class OwnImage(Image):
    """As another plugin may make one."""


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (Image(np.zeros((4, 4))), "image"),
        (Labels(np.zeros((4, 4), int)), "labels"),
        (Points(np.zeros((1, 2))), "points"),
        (OwnImage(np.zeros((4, 4))), "image"),
    ],
)
def test_kind_of_a_layer_wrapped_or_not(layer, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kind_of(layer) == kind
        assert kind_of(PublicOnlyProxy(layer)) == kind


def test_axes_of_results_in_files():
    layer = Image(np.zeros((3, 4, 5)), scale=(2, -0.5, 0.5), translate=(4, 0, 1), units=("s", "nm", "nm"))
    axes = Axis("z", 3, 2, 4, "s"), Axis("y", 4, 0.5, 0, "nm"), Axis("x", 5, 0.5, 1, "nm")
    assert axes_for_files((3, 4, 5), placement_of(layer)) == axes
    assert axes_for_files((4, 5), placement_of(layer)) == axes[1:]


def test_planes_are_found_in_stacks_of_other_units():
    from napari.components import ViewerModel

    from napari_visualccc.widgets._layers import show_plane
    from napari_visualccc.widgets._source import current_plane

    viewer = ViewerModel()
    viewer.add_image(np.zeros((8, 8)), scale=(2, 2), units=("nm", "nm"))
    nm = viewer.add_image(np.zeros((4, 8, 8)), scale=(500, 2, 2), units=("nm", "nm", "nm"))
    um = viewer.add_image(np.zeros((4, 8, 8)), scale=(0.5, 0.002, 0.002), units=("um", "um", "um"))
    for plane in (3, 1):
        for layer in (nm, um):
            show_plane(viewer, layer, (plane, 0, 0))
            assert current_plane(nm, viewer) == current_plane(um, viewer) == plane


@pytest.mark.parametrize(
    ("name", "stem"), [("scan · phases", "scan phases"), ("a/b: 50 kx?", "a-b- 50 kx-"), ("plain", "plain")]
)
def test_names_of_layers_become_names_of_files(name, stem):
    from napari_visualccc.widgets._layers import file_stem

    assert file_stem(name) == stem


def test_the_plane_of_a_stack_that_is_just_taken_away_is_no_error():
    from napari.components import ViewerModel

    from napari_visualccc.widgets._source import current_plane

    viewer = ViewerModel()
    stack = viewer.add_image(np.zeros((4, 8, 8)))
    viewer.layers.clear()
    assert viewer.dims.ndim == 2
    assert current_plane(stack, viewer) == 0


def test_the_label_under_the_mouse(make_napari_viewer):
    viewer = make_napari_viewer()
    stack = np.zeros((3, 8, 8), np.uint8)
    stack[1, 2:6, 2:6], stack[2] = 5, 7
    layer = viewer.add_labels(stack, scale=(10, 2, 2))
    viewer.dims.set_point(0, 10)
    assert label_under(viewer, layer, (10, 8, 8)) == 5
    assert label_under(viewer, layer, (10, 1, 1)) == 0
    viewer.dims.ndisplay = 3
    ray = (np.array([1.0, 0, 0]), [0, 1, 2])
    assert label_under(viewer, layer, (-5, 8, 8), *ray) == 5, "the first one that is met"
    assert label_under(viewer, layer, (-5, 1, 1), *ray) == 7
    layer.visible = False
    assert label_under(viewer, layer, (-5, 8, 8), *ray) == 0
    layer.visible, layer.mode = True, "paint"
    assert label_under(viewer, layer, (10, 8, 8)) == 0
