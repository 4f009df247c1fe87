"""Label images: indices instead of colours, whole numbers however they are kept, nothing that was changed by JPEG."""

import tracemalloc

import dask.array as da
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_visualccc.core.errors import FileFormatError, InputError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.signals import ImageSignal
from napari_visualccc.io import read
from napari_visualccc.io.labels import read_label_file, whole_numbers

LABELS = np.arange(20, dtype=np.uint8).reshape(4, 5) % 3
COLOURS = [0, 0, 0, 128, 0, 0, 128, 128, 128]


def with_palette(path, palette):
    picture = Image.fromarray(LABELS)
    picture.putpalette(palette)
    picture.save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_of_a_palette_the_indices_are_read(tmp_path, name):
    (signal,) = read_label_file(with_palette(tmp_path / name, COLOURS))
    np.testing.assert_array_equal(signal.data, LABELS)
    assert (signal.rgb, [axis.name for axis in signal.axes]) == (False, ["y", "x"])


def test_of_a_palette_of_greys_the_greys_are_read(tmp_path):
    path = with_palette(tmp_path / "a.png", np.repeat([255, 0, 7], 3).tolist())
    np.testing.assert_array_equal(read_label_file(path)[0].planes.read(0), np.array([255, 0, 7])[LABELS])


def test_other_pictures_are_read_as_ever(tmp_path):
    for name, values in (("a.png", LABELS), ("b.png", LABELS == 1), ("c.png", LABELS.astype(np.uint16) * 300)):
        Image.fromarray(values).save(tmp_path / name)
        np.testing.assert_array_equal(read_label_file(tmp_path / name)[0].planes.read(0), values)
    (tmp_path / "d.png").write_bytes(b"no picture")
    with pytest.raises(FileFormatError, match=r"d\.png"):
        read_label_file(tmp_path / "d.png")


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "misnamed.png"])
def test_jpeg_is_refused(tmp_path, name):
    Image.fromarray(LABELS * 127).save(tmp_path / name, format="JPEG")
    with pytest.raises(InputError, match="is a JPEG picture.*: save masks as PNG, or as TIFF"):
        read_label_file(tmp_path / name)


def test_jpeg_in_tiff_is_refused(tmp_path):
    Image.fromarray(LABELS * 127).save(tmp_path / "a.tif", compression="jpeg")
    with pytest.raises(InputError, match="is a JPEG picture"):
        read_label_file(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"no picture")
    with pytest.raises(FileFormatError, match=r"b\.tif"):
        read_label_file(tmp_path / "b.tif")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_whole_numbers_may_be_kept_as_others(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(dtype) - 1)
    labels = whole_numbers(read(tmp_path / "a.tif")[0])
    np.testing.assert_array_equal(labels.data, LABELS.astype(int) - 1)
    assert labels.planes.is_integer


def test_what_is_no_whole_number_is_refused(tmp_path):
    for value, words in ((np.nan, "nan"), (np.inf, "inf"), (0.5, "0.5"), (1e30, "1e.30")):
        labels = LABELS.astype(np.float32)
        labels[2, 2] = value
        np.save(tmp_path / "a.npy", labels)
        with pytest.raises(InputError, match=rf"whole numbers, .*a\.npy holds float32 values such as {words}"):
            whole_numbers(read(tmp_path / "a.npy")[0])


def test_what_is_not_in_memory_is_looked_at_plane_by_plane(tmp_path):
    stack = np.stack([LABELS, LABELS]).astype(np.float32)
    stack[1, 0, 0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    (signal,) = read_label_file(tmp_path / "a.tif", load=0)
    assert isinstance(signal.data, np.memmap)
    planes = whole_numbers(signal).planes
    assert planes.is_integer
    np.testing.assert_array_equal(planes.read(0), LABELS)
    with pytest.raises(InputError, match="values such as nan"):
        planes.read(1)


def test_of_a_memory_map_only_the_plane_that_is_looked_at_is_read(tmp_path):
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (16, 1024, 1024))[3, 2] = 7  # 64 MiB
    data = np.load(tmp_path / "a.npy", mmap_mode="r")
    axes = tuple(map(Axis, ("z", "y", "x"), data.shape))
    tracemalloc.start()
    try:
        planes = whole_numbers(ImageSignal(data, axes, "a", tmp_path / "a.npy")).planes
        assert (planes.shape, planes.dtype) == (data.shape, np.int32)
        assert tracemalloc.get_traced_memory()[1] < data[0].nbytes
        plane = planes.read(3)
        assert tracemalloc.get_traced_memory()[1] < 4 * plane.nbytes
    finally:
        tracemalloc.stop()
    assert plane.dtype == np.int32
    np.testing.assert_array_equal(plane, data[3])


def test_what_dask_reads_becomes_whole_numbers_too(tmp_path):
    data = da.from_array(np.stack([LABELS, LABELS + 0.5]), (1, 4, 5))
    axes = tuple(map(Axis, ("z", "y", "x"), data.shape))
    planes = whole_numbers(ImageSignal(data, axes, "a", tmp_path / "a.zarr")).planes
    np.testing.assert_array_equal(planes.read(0), LABELS)
    with pytest.raises(InputError, match=r"a\.zarr holds float64 values such as 0\.5"):
        planes.read(1)
