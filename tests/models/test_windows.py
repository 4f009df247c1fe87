"""What a network is shown of a plane, and the way back to the plane's pixels."""

import numpy as np
import pytest

from napari_visualccc.models.windows import Window


@pytest.fixture
def plane():
    return np.random.default_rng(0).normal(size=(60, 91)).astype(np.float32)


def test_a_window_at_the_planes_own_size_is_the_plane(plane):
    window = Window(slice(10, 50), slice(5, 80), (40, 75))
    np.testing.assert_array_equal(window.read(plane.__getitem__), plane[10:50, 5:80])
    np.testing.assert_array_equal(window.bring_back(plane[10:50, 5:80], (1, 1), (0, 0)), plane[10:50, 5:80])


def test_the_whole_at_half_size(plane):
    window = Window.whole(plane.shape, (0.5, 0.5))
    assert window.shape == (30, 46)
    seen = window.read(plane.__getitem__)
    assert seen.shape == window.shape
    assert window.bring_back(seen, (1, 1), (0, 0)).shape == plane.shape


@pytest.mark.parametrize("shape", [(40, 75), (20, 30), (55, 140)])
def test_there_and_back_a_ramp_stays_where_it_was(shape):
    """Crop, resampling and a grid of cells undone: a straight slope comes back as itself, to the pixel."""
    y, x = np.mgrid[:60, :91].astype(np.float32)
    window = Window(slice(10, 50), slice(5, 80), shape)
    stride, offset = (4.0, 4.0), (1.5, 0.0)
    for ramp in (y, x):
        seen = np.pad(window.read(ramp.__getitem__), ((0, 8), (0, 8)), "reflect", reflect_type="odd")
        rows = np.arange(offset[0], seen.shape[0] - 1, stride[0])
        columns = np.arange(offset[1], seen.shape[1] - 1, stride[1])
        cells = seen[np.floor(rows).astype(int)][:, columns.astype(int)]
        cells = (cells + seen[np.ceil(rows).astype(int)][:, columns.astype(int)]) / 2
        back = window.bring_back(cells, stride, offset)
        inner = (slice(8, -8), slice(12, -12))
        np.testing.assert_allclose(back[inner], ramp[10:50, 5:80][inner], atol=0.05)


def test_weights_are_largest_in_the_middle_and_never_nothing():
    weights = Window.whole((31, 50)).weights()
    assert weights.shape == (31, 50)
    assert weights.min() > 0
    assert np.unravel_index(weights.argmax(), weights.shape)[0] == 15
