import dask.array as da
import numpy as np
import pytest

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.planes import Planes


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", ">f4", "f8", "f2", "i8", "?"])
def test_every_dtype_reads_as_native_and_float32(dtype):
    data = np.arange(12).reshape(3, 4).astype(dtype)
    planes = Planes(data)
    assert planes.read(0).dtype.isnative
    np.testing.assert_array_equal(planes.read(0).astype(float), data.astype(float))
    assert planes.plane(0).dtype == np.float32


def test_leading_axes_flatten_and_fold_back():
    data = np.arange(2 * 3 * 8 * 9).reshape(2, 3, 8, 9)
    planes = Planes(data)
    assert planes.shape == (6, 8, 9)
    np.testing.assert_array_equal(planes.read(4), data[1, 1])
    stacked = np.stack([planes.read(i) for i in range(6)])
    np.testing.assert_array_equal(planes.fold(stacked), data)


def test_dask_reads_only_the_region_asked_for():
    touched = []

    def load(block_info=None):
        place = block_info[None]["chunk-location"]
        touched.append(place)
        return np.full((1, 10, 10), place[0], np.uint16)

    lazy = da.map_blocks(load, dtype=np.uint16, chunks=((1,) * 5, (10,), (10,)), meta=np.empty((0, 0, 0), np.uint16))
    planes = Planes(lazy)
    assert touched == []
    assert (planes.plane(3) == 3).all()
    assert touched == [(3, 0, 0)]


def test_grey_rgb_gives_its_grey_back_exactly():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    planes = Planes(np.stack([grey] * 3, -1))
    assert planes.is_rgb
    np.testing.assert_array_equal(planes.read(0), grey)


def test_rgba_and_structured_colour():
    structured = np.zeros((6, 7), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    structured["G"] = 100
    planes = Planes(structured)
    assert planes.shape == (1, 6, 7)
    assert planes.read(0)[0, 0] == 72  # 0.7154 of green
    assert Planes(np.ones((8, 9, 4), np.float64)).shape == (1, 8, 9)
    lazy = Planes(da.from_array(structured))
    np.testing.assert_array_equal(lazy.read(0), planes.read(0))


def test_a_tiny_stack_is_not_taken_for_colour():
    assert Planes(np.zeros((2, 3, 3), np.int16)).shape == (2, 3, 3)


def test_complex_gives_amplitude():
    planes = Planes(np.full((5, 5), 3 + 4j))
    assert planes.dtype == np.float64
    assert (planes.read(0) == 5).all()


def test_not_finite_becomes_nan():
    data = np.array([[1.0, np.inf], [-np.inf, np.nan]])
    np.testing.assert_array_equal(np.isnan(Planes(data).plane(0)), [[False, True], [True, True]])


def test_a_nested_list_is_an_image():
    assert Planes([[1, 2], [3, 4]]).shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros(5), "at least two axes"),
        (np.zeros((0, 5)), "empty"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.zeros((2, 2), [("x", "u1"), ("y", "f4")]), "not an image"),
    ],
)
def test_what_is_no_image_is_said_in_words(data, words):
    with pytest.raises(InputError, match=words):
        Planes(data, name="my layer")


def test_only_keeps_one_plane():
    data = np.arange(2 * 4 * 5).reshape(2, 4, 5)
    np.testing.assert_array_equal(Planes(data).only(1).read(0), data[1])
