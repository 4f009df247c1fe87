"""What every widget asks of layers."""

import warnings

import numpy as np
import pytest
from napari.layers import Image, Labels, Points
from napari.utils._proxies import PublicOnlyProxy

from napari_visualccc.widgets._layers import kind_of


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
