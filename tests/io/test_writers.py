import os
import tracemalloc

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_visualccc.cluster import ClusterOptions, cluster_pixels
from napari_visualccc.core.errors import FileFormatError, OutputError
from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.io import (
    read,
    write_csv,
    write_image,
    write_labels,
    write_ome_zarr,
    write_result,
    write_tiff,
)
from napari_visualccc.io.writers import atomic

STACK = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
AXES = (Axis("z", 3, 2.0, 0.0, "nm"), Axis("y", 20, 0.2, 0.0, "nm"), Axis("x", 30, 0.5, 0.0, "nm"))
WRITERS = {"a.ome.tif": write_tiff, "a.ome.zarr": write_ome_zarr}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("labels", [False, True])
def test_round_trip(tmp_path, name, lazy, labels):
    data = da.from_array(STACK, chunks=(1, 10, 10)) if lazy else STACK
    path = WRITERS[name](tmp_path / name, data, AXES, labels=labels)
    (signal,) = read(path)
    np.testing.assert_array_equal(np.asarray(signal.data), STACK)
    assert [axis.scale for axis in signal.axes] == pytest.approx([2.0, 0.2, 0.5])
    assert {axis.unit for axis in signal.axes} == {"nm"}
    assert signal.name == "a"


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "?", ">u2", "u8"])
def test_every_type_survives(tmp_path, name, dtype):
    data = (STACK[0] % 2).astype(dtype)
    (signal,) = read(WRITERS[name](tmp_path / name, data, PixelSize()))
    np.testing.assert_array_equal(np.asarray(signal.data), data)
    assert not signal.pixel_size.is_calibrated


@pytest.mark.parametrize("name", WRITERS)
def test_reciprocal_units_come_back_and_do_not_lie_to_others(tmp_path, name):
    (signal,) = read(WRITERS[name](tmp_path / name, STACK[0], PixelSize(0.04, 0.04, "1/nm")))
    assert (signal.pixel_size.x, signal.pixel_size.unit) == (pytest.approx(0.04), "1/nm")
    if name.endswith("tif"):
        with tifffile.TiffFile(tmp_path / name) as tiff:
            assert "PhysicalSize" not in tiff.ome_metadata


@pytest.mark.parametrize("name", WRITERS)
def test_colour_survives(tmp_path, name):
    colour = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    (signal,) = read(WRITERS[name](tmp_path / name, colour, PixelSize(2, 2, "nm"), rgb=True))
    assert signal.rgb
    np.testing.assert_array_equal(np.asarray(signal.data), colour)


def test_tifffile_finds_the_pixel_size(tmp_path):
    write_tiff(tmp_path / "a.ome.tif", STACK, AXES)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeX"] == pytest.approx(0.5)
    assert pixels["PhysicalSizeY"] == pytest.approx(0.2)
    assert pixels["PhysicalSizeXUnit"] == "nm"


def test_the_reference_reader_of_ome_zarr_agrees(tmp_path):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    write_ome_zarr(tmp_path / "a.ome.zarr", STACK, AXES)
    (node,) = Reader(parse_url(str(tmp_path / "a.ome.zarr")))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), STACK)
    assert [axis["unit"] for axis in node.metadata["axes"]] == ["nanometer"] * 3
    assert node.metadata["coordinateTransformations"][0][0]["scale"] == [2.0, 0.2, 0.5]


def test_a_result_is_written_whole(tmp_path):
    result = cluster_pixels(STACK, ClusterOptions(k=3), pixel_size=PixelSize(0.2, 0.5, "nm"))
    paths = write_result(result, tmp_path / "new" / "folder", "scan", AXES)
    assert {path.name for path in paths} == {"scan_clusters.ome.tif", "scan_clusters.csv", "scan_provenance.json"}
    assert pd.read_csv(paths[1]).area_nm2.sum() == pytest.approx(STACK.size * 0.1)


@pytest.mark.parametrize("name", WRITERS)
def test_an_interrupted_write_leaves_the_old_file(tmp_path, name):
    path = WRITERS[name](tmp_path / name, STACK, AXES)

    class Broken:
        shape, dtype, ndim, nbytes = STACK.shape, STACK.dtype, 3, STACK.nbytes

        def __getitem__(self, place):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=f"{name} could not be written: No space left"):
        WRITERS[name](path, Broken(), AXES)
    np.testing.assert_array_equal(np.asarray(read(path)[0].data), STACK)
    assert os.listdir(tmp_path) == [name]


def test_atomic_removes_its_traces_after_a_bug(tmp_path):
    def fail_halfway():
        with atomic(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", WRITERS)
def test_a_cancelled_write_leaves_the_old_file(tmp_path, name):
    path = WRITERS[name](tmp_path / name, STACK, AXES)

    class Cancelling:
        shape, dtype, ndim, nbytes = STACK.shape, STACK.dtype, 3, STACK.nbytes

        def __getitem__(self, place):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WRITERS[name](path, Cancelling(), AXES)
    np.testing.assert_array_equal(np.asarray(read(path)[0].data), STACK)
    assert os.listdir(tmp_path) == [name]


def test_what_ome_tiff_cannot_hold(tmp_path):
    half = STACK[0].astype(np.float16)
    np.testing.assert_array_equal(np.asarray(read(write_tiff(tmp_path / "h.ome.tif", half, PixelSize()))[0].data), half)
    with pytest.raises(OutputError, match="empty"):
        write_tiff(tmp_path / "e.ome.tif", np.zeros((0, 5), np.uint8), PixelSize())
    with pytest.raises(OutputError, match="five axes"):
        write_tiff(tmp_path / "6.ome.tif", np.zeros((2, 2, 2, 2, 5, 5), np.uint8), PixelSize())


@pytest.mark.parametrize("name", WRITERS)
def test_instrument_settings_come_back(tmp_path, name):
    instrument = {"beam_energy_kv": 300.0, "detector": "HAADF µ"}
    (signal,) = read(WRITERS[name](tmp_path / name, STACK, AXES, metadata={"instrument": instrument}))
    assert signal.metadata == instrument


def test_zarr_of_other_programs(tmp_path):
    import zarr

    zarr.save_array(str(tmp_path / "plain.zarr"), STACK)
    (signal,) = read(tmp_path / "plain.zarr")
    np.testing.assert_array_equal(np.asarray(signal.data), STACK)
    group = zarr.open_group(str(tmp_path / "v4.zarr"), mode="w", zarr_format=2)
    group.create_array("s0", data=STACK)
    steps = [{"type": "scale", "scale": [1, 0.5, 0.25]}, {"type": "translation", "translation": [0, 2, 3]}]
    axes = [{"name": "t", "type": "time"}, *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "s0", "coordinateTransformations": steps}]}
    ]
    (signal,) = read(tmp_path / "v4.zarr")
    assert [(axis.scale, axis.offset, axis.unit) for axis in signal.axes] == [
        (1, 0, "px"),
        (500, 2000, "nm"),
        (250, 3000, "nm"),
    ]


@pytest.mark.parametrize("damage", ["nothing", "no images", "no axes", "no array"])
def test_damaged_ome_zarr(tmp_path, damage):
    path = tmp_path / "a.ome.zarr"
    if damage == "nothing":
        path.mkdir()
    else:
        import json
        import shutil

        write_ome_zarr(path, STACK, AXES)
        record = json.loads((path / "zarr.json").read_text())
        if damage == "no images":
            record["attributes"]["ome"].pop("multiscales")
        if damage == "no axes":
            record["attributes"]["ome"]["multiscales"][0].pop("axes")
        if damage == "no array":
            shutil.rmtree(path / "0")
        (path / "zarr.json").write_text(json.dumps(record))
    with pytest.raises(FileFormatError, match="a.ome.zarr cannot be read as OME-Zarr"):
        read(path)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match=r"taken.t.csv could not be written|taken/t.csv could not be written"):
        write_csv(tmp_path / "taken" / "t.csv", pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize("name", WRITERS)
def test_layers_saved_from_napari_keep_scale_and_units(tmp_path, name):
    from napari.layers import Image, Labels

    for make, write in ((Image, write_image), (Labels, write_labels)):
        layer = make(STACK.astype(np.uint8), scale=(1, 0.2, 0.5), units=("pixel", "nm", "nm"))
        data, attributes, _ = layer.as_layer_data_tuple()
        (written,) = write(str(tmp_path / name), data, attributes)
        (signal,) = read(written)
        assert (signal.pixel_size.y, signal.pixel_size.x, signal.pixel_size.unit) == (
            pytest.approx(0.2),
            pytest.approx(0.5),
            "nm",
        )
        np.testing.assert_array_equal(np.asarray(signal.data), STACK.astype(np.uint8))


def test_reciprocal_layers_saved_from_napari(tmp_path):
    from napari.layers import Image

    data, attributes, _ = Image(STACK[0], scale=(0.1, 0.1), units=("1/nm", "1/nm")).as_layer_data_tuple()
    (written,) = write_image(str(tmp_path / "a.ome.tif"), data, attributes)
    assert read(written)[0].pixel_size.unit == "1/nm"


@pytest.mark.parametrize("dtype", ["f2", "f4", "u8"])
def test_a_large_plane_is_not_turned_into_the_file_s_type_at_once(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr("napari_visualccc.io.writers._BLOCK", 1 << 16)
    data = np.memmap(tmp_path / "kept", dtype, "w+", shape=(2, 1024, 1030))
    data[:] = np.arange(1024)[:, None]
    tracemalloc.start()
    try:
        path = write_tiff(tmp_path / "a.ome.tif", data, PixelSize())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20  # half a plane of 4 bytes per pixel
    (signal,) = read(path)
    assert signal.data.shape == data.shape
    np.testing.assert_array_equal(np.asarray(signal.data), data)
