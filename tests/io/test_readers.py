import subprocess
import sys
import time
import warnings

import dask.array as da
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_visualccc.core.errors import CalibrationWarning, FileFormatError
from napari_visualccc.io import EM_PATTERNS, calibration_from_file, napari_get_reader, read, read_folder
from napari_visualccc.io.mrc import memory_map
from napari_visualccc.io.readers import image_files

IMAGE = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)


def write_mrc(path, data, *, angstrom=(0.0, 0.0, 0.0), order="<"):
    """A minimal MRC2014 file, written by hand."""
    data = np.atleast_3d(data) if data.ndim == 3 else data[None]
    modes = {"i1": 0, "i2": 1, "f4": 2, "c8": 4, "u2": 6}
    header = np.zeros(256, f"{order}i4")
    header[:4] = (*data.shape[::-1], modes[data.dtype.str[1:]])
    header[7:10] = data.shape[::-1]
    header[10:13].view(f"{order}f4")[:] = np.array(angstrom) * data.shape[::-1]
    header[16:19] = 1, 2, 3
    raw = bytearray(header.tobytes())
    raw[208:212] = b"MAP "
    raw[212:216] = b"\x44\x44\x00\x00" if order == "<" else b"\x11\x11\x00\x00"
    path.write_bytes(bytes(raw) + data.astype(data.dtype.newbyteorder(order)).tobytes())


@pytest.mark.parametrize("suffix", ["mrc", "mrcs", "rec", "st", "MRC"])
@pytest.mark.parametrize("order", "<>")
def test_mrc_by_any_name_and_byte_order(tmp_path, suffix, order):
    path = tmp_path / f"stack.{suffix}"
    data = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    write_mrc(path, data, angstrom=(2.0, 3.0, 4.0), order=order)
    (signal,) = read(path)
    np.testing.assert_array_equal(signal.planes.read(2), data[2])
    assert (signal.pixel_size.y, signal.pixel_size.x, signal.pixel_size.unit) == (
        pytest.approx(0.3),
        pytest.approx(0.2),
        "nm",
    )


def test_an_mrc_without_a_cell_is_in_pixels(tmp_path):
    write_mrc(tmp_path / "a.mrc", IMAGE)
    assert not read(tmp_path / "a.mrc")[0].pixel_size.is_calibrated


def test_opening_four_gigabytes_takes_no_time_and_no_memory(tmp_path):
    path = tmp_path / "huge.mrc"
    write_mrc(path, np.zeros((1, 8, 8), np.uint16))
    with path.open("r+b") as file:
        file.write(np.array([16384, 16384, 8, 6], "<i4").tobytes())
        file.truncate(1024 + 16384 * 16384 * 8 * 2)
    small = tmp_path / "small.mrc"
    write_mrc(small, np.zeros((1, 8, 8), np.uint16))
    code = (
        "import time, resource, sys; from napari_visualccc.io import read;"
        "read(sys.argv[2]);"  # what has to be imported is not what opening takes
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "start = time.perf_counter(); signal = read(sys.argv[1])[0]; seconds = time.perf_counter() - start;"
        "print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *signal.data.shape)"
    )
    words = subprocess.run(
        [sys.executable, "-c", code, path, small], check=True, capture_output=True, text=True
    ).stdout.split()
    assert float(words[0]) < 1
    assert float(words[1]) < 100_000  # KiB
    assert words[2:] == ["8", "16384", "16384"]
    assert isinstance(memory_map(path), np.memmap)


def test_a_header_that_promises_more_than_the_file_holds(tmp_path):
    path = tmp_path / "lie.mrc"
    write_mrc(path, IMAGE)
    with path.open("r+b") as file:
        file.write(np.array([100_000, 100_000, 10_000, 2], "<i4").tobytes())
    with pytest.raises(FileFormatError, match=r"lie.mrc is cut short: .* the file has|lie.mrc is cut short: .* it has"):
        read(path)


def test_imagej_tiff_with_different_pixel_sizes_along_y_and_x(tmp_path):
    path = tmp_path / "imagej.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(1 / 0.5, 1 / 0.25), metadata={"unit": "um"})
    (signal,) = read(path)
    assert (signal.pixel_size.y, signal.pixel_size.x) == (pytest.approx(250), pytest.approx(500))


@pytest.mark.parametrize("first", ["1", "0"])
def test_zeiss_tiff(tmp_path, first):
    path = tmp_path / "zeiss.tif"
    lines = [first, "0", "0", "0", "0", "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 12.5 nm", ""]
    tifffile.imwrite(path, IMAGE, extratags=[(34118, "s", 0, "\r\n".join(lines).encode(), False)])
    (signal,) = read(path)
    assert (signal.pixel_size.y, signal.pixel_size.x, signal.pixel_size.unit) == (12.5, 12.5, "nm")


def test_tescan_tiff(tmp_path):
    path = tmp_path / "tescan.tif"
    text = b"\x00\x01[MAIN]\r\nPixelSizeX=2e-009\r\nPixelSizeY=3e-009\r\n"
    tifffile.imwrite(path, IMAGE, extratags=[(50431, 7, len(text), text, False)])
    (signal,) = read(path)
    assert (signal.pixel_size.y, signal.pixel_size.x) == (pytest.approx(3), pytest.approx(2))


def test_gatan_tiff(tmp_path):
    """Tags as DigitalMicrograph's own export writes them: origin, scale and unit of each axis."""
    path = tmp_path / "gatan.tif"
    tags = [(65003, "s", "nm"), (65004, "s", "nm"), (65006, "d", 0.0), (65007, "d", 0.0), (65009, "d", 0.25),
            (65010, "d", 0.5)]  # fmt: skip
    extra = [(tag, kind, len(v) + 1 if kind == "s" else 1, v, False) for tag, kind, v in tags]
    tifffile.imwrite(path, IMAGE, extratags=extra, metadata=None)
    (signal,) = read(path)
    assert (signal.pixel_size.y, signal.pixel_size.x, signal.pixel_size.unit) == (0.5, 0.25, "nm")


@pytest.mark.parametrize(("unit", "expected"), [("nm", 5.0), (None, 5.0), ("pixel", 1.0)])
def test_ome_tiff_of_other_programs(tmp_path, unit, expected):
    path = tmp_path / "other.ome.tif"
    size = 0.005 if unit is None else 5.0
    about = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
    if unit is not None:
        about |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, IMAGE, ome=True, metadata=about)
    assert read(path)[0].pixel_size.x == pytest.approx(expected)


def test_a_tiff_whose_ome_record_is_broken_still_opens(tmp_path):
    path = tmp_path / "broken.ome.tif"
    xml = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"></OME>'
    tifffile.imwrite(path, IMAGE, description=xml, metadata=None)
    (signal,) = read(path)
    np.testing.assert_array_equal(np.asarray(signal.data), IMAGE)
    assert not signal.pixel_size.is_calibrated


def test_resolution_tags_finer_than_any_printer_are_a_pixel_size(tmp_path):
    path = tmp_path / "fine.tif"
    tifffile.imwrite(path, IMAGE, resolution=(2e6, 1e6), resolutionunit="CENTIMETER")
    size = read(path)[0].pixel_size
    assert (size.y, size.x, size.unit) == (pytest.approx(10), pytest.approx(5), "nm")


def test_fei_tiff(tmp_path):
    path = tmp_path / "fei.tif"
    text = "[Beam]\r\nHV=20000\r\n[Scan]\r\nPixelWidth=5e-009\r\nPixelHeight=5e-009\r\n[System]\r\nType=SEM\r\n"
    tifffile.imwrite(path, IMAGE, extratags=[(34682, "s", 0, text.encode(), False)])
    (signal,) = read(path)
    assert signal.pixel_size.x == pytest.approx(5)
    assert signal.pixel_size.unit == "nm"


def test_oblong_pixels_of_fei_and_gatan_tiffs(tmp_path):
    text = "[Beam]\r\nHV=20000\r\n[Scan]\r\nPixelWidth=5e-009\r\nPixelHeight=1e-008\r\n[System]\r\nType=SEM\r\n"
    tifffile.imwrite(tmp_path / "fei.tif", IMAGE, extratags=[(34682, "s", 0, text.encode(), False)])
    tags = [
        (65003, "s", 0, "nm", False),
        (65004, "s", 0, "nm", False),
        (65009, "d", 1, 5.0, False),
        (65010, "d", 1, 10.0, False),
    ]
    tifffile.imwrite(tmp_path / "gatan.tif", IMAGE, extratags=tags)
    for name in ("fei.tif", "gatan.tif"):
        (signal,) = read(tmp_path / name)
        assert (signal.pixel_size.y, signal.pixel_size.x) == (pytest.approx(10), pytest.approx(5)), name


def test_plain_tiff_is_not_given_the_resolution_of_a_printer(tmp_path):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, IMAGE, resolution=(300, 300), resolutionunit="INCH")
    assert not read(path)[0].pixel_size.is_calibrated


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_large_tiffs_stay_on_disk(tmp_path, monkeypatch, compression):
    monkeypatch.setattr("napari_visualccc.io.tiff.LOADED_BYTES", 1000)
    path = tmp_path / "large.tif"
    stack = np.stack([IMAGE + plane for plane in range(4)])
    tifffile.imwrite(path, stack, compression=compression, photometric="minisblack")
    (signal,) = read(path)
    assert isinstance(signal.data, da.Array if compression else np.memmap)
    np.testing.assert_array_equal(np.asarray(signal.data), stack)


def test_large_tiled_tiffs_are_read_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_visualccc.io.tiff.LOADED_BYTES", 1000)
    monkeypatch.setattr("napari_visualccc.io.tiff._BLOCK_EDGE", 64)
    path = tmp_path / "tiled.tif"
    data = np.random.default_rng(0).integers(0, 255, (2, 100, 150, 3)).astype(np.uint8)
    tifffile.imwrite(path, data, tile=(32, 32), compression="zlib", photometric="rgb")
    (signal,) = read(path)
    assert signal.rgb
    assert signal.data.chunks[1] == (64, 36)
    np.testing.assert_array_equal(np.asarray(signal.data), data)


def test_tiffs_that_the_viewer_could_not_show(tmp_path):
    tifffile.imwrite(tmp_path / "wave.tif", np.full((6, 7), 3 + 4j, np.complex64))
    assert [signal.name for signal in read(tmp_path / "wave.tif")] == ["wave amplitude", "wave phase"]
    tifffile.imwrite(tmp_path / "profile.tif", np.arange(5.0))
    with pytest.raises(FileFormatError, match="no image in it"):
        read(tmp_path / "profile.tif")
    with_alpha = np.dstack([IMAGE, IMAGE])
    tifffile.imwrite(tmp_path / "two.tif", with_alpha, photometric="minisblack", planarconfig="contig")
    assert read(tmp_path / "two.tif")[0].data.shape == (2, 20, 30)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_tiff(tmp_path, planar):
    colour = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    path = tmp_path / "colour.tif"
    data = colour if planar == "contig" else np.moveaxis(colour, -1, 0)
    tifffile.imwrite(path, data, photometric="rgb", planarconfig=planar)
    (signal,) = read(path)
    assert signal.rgb
    np.testing.assert_array_equal(np.asarray(signal.data), colour)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_pictures(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    iio.imwrite(path, np.full((20, 30), 77, np.uint8))
    (signal,) = read(path)
    assert signal.planes.shape == (1, 20, 30)
    assert abs(int(signal.planes.read(0)[3, 3]) - 77) <= 1


def test_pictures_of_every_mode_of_pillow(tmp_path):
    from PIL import Image

    shapes = {"1": (20, 30), "L": (20, 30), "LA": (20, 30), "P": (20, 30, 3), "RGB": (20, 30, 3), "RGBA": (20, 30, 4),
              "I;16": (20, 30)}  # fmt: skip
    for mode, shape in shapes.items():
        path = tmp_path / f"{mode.replace(';', '')}.png"
        Image.new(mode, (30, 20)).save(path)
        (signal,) = read(path)
        assert signal.data.shape == shape, mode
        assert signal.rgb == (len(shape) == 3), mode
    Image.new("CMYK", (30, 20), (0, 0, 0, 0)).save(tmp_path / "inks.jpg")
    white = read(tmp_path / "inks.jpg")[0]
    assert white.data.shape == (20, 30, 3)
    assert np.asarray(white.data).min() > 250


def test_a_montage_beyond_the_limit_of_pillow_opens(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr("napari_visualccc.io.readers.LOADED_BYTES", 1000)
    Image.new("L", (300, 200), 7).save(tmp_path / "montage.png")
    (signal,) = read(tmp_path / "montage.png")
    assert isinstance(signal.data, da.Array)
    assert (np.asarray(signal.data) == 7).all()


def test_a_folder_is_one_lazy_stack_in_natural_order(tmp_path):
    (tmp_path / "1²2.txt").write_text("a digit that is no decimal")
    for number in (10, 2, 1):
        iio.imwrite(tmp_path / f"scan_{number}.png", np.full((8, 9), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    (signal,) = read(tmp_path)
    assert isinstance(signal.data, da.Array)
    assert signal.plane_names == ("scan_1.png", "scan_2.png", "scan_10.png")
    assert [int(signal.planes.read(i)[0, 0]) for i in range(3)] == [1, 2, 10]


def test_a_large_folder_is_asked_for_shapes_only(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_visualccc.io.folders.READ_WHOLE_BYTES", 0)
    for number in range(3):
        iio.imwrite(tmp_path / f"{number}.png", np.full((20, 30), number, np.uint16))
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((20, 30), number, np.uint16), compression="zlib")
        write_mrc(tmp_path / f"{number}.mrc", np.full((20, 30), number, np.uint16))
    (signal,) = read(tmp_path)
    assert [int(np.asarray(plane).mean()) for plane in signal.data] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_everything_is_loaded_on_request(tmp_path):
    for number in range(3):
        write_mrc(tmp_path / f"{number}.mrc", IMAGE)
    (signal,) = read(tmp_path, lazy=False)
    assert type(signal.data) is np.ndarray


def test_images_that_differ_in_shape_make_several_stacks(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.zeros((8, 9), np.uint8))
    iio.imwrite(tmp_path / "b.png", np.zeros((5, 5), np.uint8))
    iio.imwrite(tmp_path / "c.png", np.zeros((8, 9), np.uint8))
    assert [signal.plane_names for signal in read_folder(tmp_path)] == [("a.png", "c.png"), ("b.png",)]


def test_a_broken_file_in_a_folder_is_named_and_left_out(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.zeros((8, 9), np.uint8))
    (tmp_path / "broken.dm3").write_bytes(b"nothing")
    (signal,) = read(tmp_path)
    assert signal.plane_names == ("a.png",)
    assert any("broken.dm3" in note for note in signal.notes)


def test_images_of_a_folder(tmp_path):
    for name in ("b10.tif", "b2.png", ".hidden.tif", "notes.txt", "pair_1.ser", "pair.emi", "alone_1.ser"):
        (tmp_path / name).touch()
    for name in ("stack.zarr", "folder.tif"):
        (tmp_path / name).mkdir()
    found = [path.name for path in image_files(tmp_path)]
    assert found == ["alone_1.ser", "b2.png", "b10.tif", "pair_1.ser", "stack.zarr"]


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileFormatError, match="does not exist"):
        read(tmp_path / "nowhere.dm3")
    with pytest.raises(FileFormatError, match="no file of a format"):
        read(tmp_path)
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(FileFormatError, match="no format that is read here"):
        read(tmp_path / "a.xyz")


@pytest.mark.parametrize("name", ["nowhere", "file.png", "a" * 5000, "x\0y"])
def test_paths_that_are_no_folder(tmp_path, name):
    iio.imwrite(tmp_path / "file.png", IMAGE)
    with pytest.raises(FileFormatError):
        read_folder(tmp_path / name)
    if name != "file.png":
        with pytest.raises(FileFormatError):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("stamp", "flags", "low", "high", "dtype"),
    [(0, 0, 0, 255, "u1"), (0, 0, -100, 100, "i1"), (0, 0, 0, 0, "u1"), (1146047817, 1, 0, 100, "i1"),
     (1146047817, 0, -1, 100, "u1")],
)  # fmt: skip
def test_mrc_bytes_with_and_without_sign(tmp_path, stamp, flags, low, high, dtype):
    path = tmp_path / "bytes.mrc"
    write_mrc(path, np.arange(-10, 10, dtype=np.int8).reshape(4, 5))
    raw = bytearray(path.read_bytes())
    raw[76:84] = np.array([low, high], "<f4").tobytes()
    raw[152:160] = np.array([stamp, flags], "<i4").tobytes()
    path.write_bytes(raw)
    assert read(path)[0].data.dtype == dtype


def test_mrc_agrees_with_the_reference_library(tmp_path):
    import mrcfile

    data = np.random.default_rng(0).normal(size=(3, 20, 30)).astype(np.float32)
    with mrcfile.new(tmp_path / "volume.mrc", data=data) as file:
        file.voxel_size = (2.0, 3.0, 4.0)
    (signal,) = read(tmp_path / "volume.mrc")
    np.testing.assert_array_equal(np.asarray(signal.data), data)
    assert [axis.scale for axis in signal.axes] == pytest.approx([0.4, 0.3, 0.2])
    assert {axis.unit for axis in signal.axes} == {"nm"}


def test_numpy_files(tmp_path):
    np.save(tmp_path / "stack.npy", np.zeros((3, 1, 20, 30), ">f4"))
    assert read(tmp_path / "stack.npy")[0].data.shape == (3, 20, 30)
    np.save(tmp_path / "colour.npy", np.zeros((20, 30, 3), np.uint8))
    assert read(tmp_path / "colour.npy")[0].rgb
    np.save(tmp_path / "text.npy", np.zeros((20, 30), "U3"))
    with pytest.raises(FileFormatError, match="values of type <U3"):
        read(tmp_path / "text.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    with pytest.raises(FileFormatError, match="objects.npy"):
        read(tmp_path / "objects.npy")


def test_a_header_that_promises_terabytes_is_not_believed(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1111, 30), np.uint8))
    raw = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(raw.replace(b"(1111, 30), }     ", b"(1111111111, 30), }", 1))
    with pytest.raises(FileFormatError, match=r"a\.npy"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", ["h5", "hdf5"])
def test_hdf5_files_of_other_programs(tmp_path, suffix):
    import h5py

    with h5py.File(tmp_path / f"a.{suffix}", "w") as file:
        file["values"] = IMAGE
    with pytest.raises(FileFormatError, match="layout that is not read here"):
        read(tmp_path / f"a.{suffix}")


def write_with(plugin, path, data, axes):
    """A file through a writer of RosettaSciIO."""
    import importlib

    made = [
        {"name": name, "size": size, "scale": scale, "offset": 0.0, "units": unit, "navigate": navigate,
         "index_in_array": number, "_type": "UniformDataAxis", "is_binned": False}
        for number, ((name, scale, unit, navigate), size) in enumerate(zip(axes, data.shape, strict=True))
    ]  # fmt: skip
    signal = {"data": data, "axes": made, "metadata": {"General": {"title": "t"}, "Signal": {"signal_type": ""}},
              "original_metadata": {}, "learning_results": {}, "attributes": {"_lazy": False},
              "models": {}, "tmp_parameters": {"filename": "a", "folder": "", "extension": ""},
              "package_info": {"package": "", "package_version": ""}}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(f"rsciio.{plugin}").file_writer(str(path), signal)


def write_hspy(path, data, axes):
    """A HyperSpy file."""
    write_with("hspy", path, data, axes)


def test_complex_images_become_amplitude_and_phase(tmp_path):
    path = tmp_path / "wave.hspy"
    write_hspy(path, np.full((6, 7), 3 + 4j), [("y", 0.5, "nm", False), ("x", 0.5, "nm", False)])
    amplitude, phase = read(path)
    assert (np.asarray(amplitude.data) == 5).all()
    np.testing.assert_allclose(np.asarray(phase.data), np.angle(3 + 4j))
    assert phase.name.endswith("phase")


def test_a_spectrum_image_is_shown_as_its_sum(tmp_path):
    path = tmp_path / "map.hspy"
    data = np.random.default_rng(0).integers(0, 9, (6, 7, 50))
    write_hspy(path, data, [("y", 2.0, "nm", True), ("x", 2.0, "nm", True), ("Energy", 1.0, "eV", False)])
    (signal,) = read(path)
    np.testing.assert_array_equal(np.asarray(signal.data), data.sum(-1))
    assert signal.pixel_size.x == 2
    assert any("sum over 50" in note for note in signal.notes)


def test_one_axis_left_over_from_a_scan_is_a_spectrum_whatever_its_unit(tmp_path):
    path = tmp_path / "decay.hspy"
    write_hspy(path, np.ones((6, 7, 5)), [("y", 2.0, "nm", True), ("x", 2.0, "nm", True), ("delay", 1.0, "s", False)])
    (signal,) = read(path)
    assert signal.data.shape == (6, 7)


def test_ncem_emd(tmp_path):
    from rsciio import emd

    axes = [
        {"name": name, "size": size, "scale": 0.5, "offset": 0.0, "units": "nm", "navigate": False,
         "index_in_array": i, "_type": "UniformDataAxis", "is_binned": False}
        for i, (name, size) in enumerate(zip("yx", IMAGE.shape, strict=True))
    ]  # fmt: skip
    signal = {"data": IMAGE, "axes": axes, "metadata": {"General": {"title": "t"}, "Signal": {}},
              "original_metadata": {}}  # fmt: skip
    emd.file_writer(str(tmp_path / "a.emd"), signal)
    (found,) = read(tmp_path / "a.emd")
    np.testing.assert_array_equal(np.asarray(found.data), IMAGE)
    assert found.pixel_size.x == 0.5


def test_ripple_with_its_raw_file(tmp_path):
    from rsciio import ripple

    axes = [{"name": n, "size": s, "scale": 0.5, "offset": 0.0, "units": "nm", "navigate": False, "index_in_array": i,
             "_type": "UniformDataAxis", "is_binned": False}
            for i, (n, s) in enumerate(zip("yx", IMAGE.shape, strict=True))]  # fmt: skip
    ripple.file_writer(str(tmp_path / "a.rpl"), {"data": IMAGE, "axes": axes, "metadata": {"Signal": {}, "General": {}},
                                                 "original_metadata": {}})  # fmt: skip
    (found,) = read(tmp_path / "a.rpl")
    np.testing.assert_array_equal(np.asarray(found.data), IMAGE)
    assert found.pixel_size.x == 0.5
    (tmp_path / "a.raw").unlink()
    with pytest.raises(FileFormatError, match="a.rpl"):
        read(tmp_path / "a.rpl")


def test_bool_images(tmp_path):
    path = tmp_path / "mask.hspy"
    mask = np.eye(6, dtype=bool)
    write_hspy(path, mask, [("y", 0.0, "nm", False), ("x", 1.0, "furlong", False)])
    (signal,) = read(path)
    np.testing.assert_array_equal(signal.planes.read(0), mask)
    assert any("not positive" in note for note in signal.notes)
    assert any("furlong" in note for note in signal.notes)


def test_four_dimensions_open_lazily(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_visualccc.io.rosetta.LOADED_BYTES", 100)
    path = tmp_path / "scan.hspy"
    data = np.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    axes = [("y", 1.0, "nm", True), ("x", 1.0, "nm", True), ("ky", 0.1, "1/nm", False), ("kx", 0.1, "1/nm", False)]
    write_hspy(path, data, axes)
    (signal,) = read(path)
    assert isinstance(signal.data, da.Array)
    assert signal.pixel_size.unit == "1/nm"
    np.testing.assert_array_equal(signal.planes.read(5), data[1, 2])


def test_the_reader_of_napari_claims_em_files_only(tmp_path):
    write_mrc(tmp_path / "a.mrc", IMAGE, angstrom=(5, 5, 5))
    reader = napari_get_reader(str(tmp_path / "a.mrc"))
    ((data, words, kind),) = reader(str(tmp_path / "a.mrc"))
    assert kind == "image"
    assert words["units"] == ("nm", "nm")
    for other in ("a.tif", "a.png", "a.txt"):
        assert napari_get_reader(other) is None
    assert not {"*.tif", "*.tiff", "*.png"} & set(EM_PATTERNS)


def test_several_files_open_as_a_stack(tmp_path):
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.mrc"))
        write_mrc(tmp_path / f"{number}.mrc", IMAGE + number, angstrom=(5, 5, 5))
    ((data, words, _),) = napari_get_reader(paths)(paths)
    assert data.shape == (3, 20, 30)
    assert words["metadata"]["visualccc"]["plane_names"] == ["0.mrc", "1.mrc", "2.mrc"]


def test_a_list_of_one_file_is_that_file(tmp_path):
    write_mrc(tmp_path / "a.mrc", IMAGE, angstrom=(5, 5, 5))
    ((data, words, _),) = napari_get_reader([str(tmp_path / "a.mrc")])([str(tmp_path / "a.mrc")])
    assert data.shape == (20, 30)
    assert words["name"] == "a"


def test_wrong_calibration_becomes_a_warning_in_napari(tmp_path):
    write_mrc(tmp_path / "a.mrc", IMAGE, angstrom=(-5, -5, -5))
    path = str(tmp_path / "a.mrc")
    with pytest.warns(CalibrationWarning, match="not positive"):
        napari_get_reader(path)(path)


def test_tags_calibrate_a_layer_of_the_same_shape(tmp_path):
    path = tmp_path / "imagej.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(2, 2), metadata={"unit": "nm"})
    assert calibration_from_file(path, (20, 30)).pixel_size.x == pytest.approx(0.5)
    assert calibration_from_file(path, (1, 20, 30)) is not None
    assert calibration_from_file(path, (21, 30)) is None


def test_reading_again_and_again_keeps_no_file_open(tmp_path):
    import psutil

    write_hspy(tmp_path / "a.hspy", IMAGE, [("y", 1.0, "nm", False), ("x", 1.0, "nm", False)])
    process = psutil.Process()
    read(tmp_path / "a.hspy")
    before = len(process.open_files())
    start = time.perf_counter()
    for _ in range(5):
        read(tmp_path / "a.hspy")
    assert len(process.open_files()) <= before + 1
    assert time.perf_counter() - start < 5


def test_hyperspy_zarr_folders(tmp_path):
    import h5py
    import zarr

    def copy(source, target):
        # Lists: h5py keeps its lock while it iterates, and zarr's thread may need it to free an old HDF5 object.
        for key, value in list(source.attrs.items()):
            target.attrs[key] = value.tolist() if hasattr(value, "tolist") else value
        for key, entry in list(source.items()):
            if isinstance(entry, h5py.Group):
                copy(entry, target.create_group(key))
            else:
                target.create_array(key, data=entry[()])

    data = np.arange(2 * 6 * 7, dtype=np.uint16).reshape(2, 6, 7)
    axes = [("z", 1.0, "", True), ("y", 0.5, "nm", False), ("x", 0.5, "nm", False)]
    write_hspy(tmp_path / "a.hspy", data, axes)
    with h5py.File(tmp_path / "a.hspy") as file:
        copy(file, zarr.open_group(tmp_path / "a.zspy", mode="w", zarr_format=2))
    (signal,) = read(tmp_path / "a.zspy")
    np.testing.assert_array_equal(np.asarray(signal.data), data)
    assert signal.pixel_size.x == 0.5


PLANE = [("y", 0.5, "nm", False), ("x", 0.25, "nm", False)]
STACK = [("z", 1.0, "", True), *PLANE]


@pytest.mark.parametrize(
    ("plugin", "suffix", "axes", "calibrated"),
    [
        ("semper", "unf", PLANE, True),
        ("ripple", "rpl", PLANE, True),
        ("ripple", "rpl", STACK, True),
        ("emd", "emd", PLANE, True),
        ("emd", "emd", STACK, True),
        ("hspy", "hspy", STACK, True),
        ("tiff", "tif", PLANE, True),
        ("pantarhei", "prz", PLANE, False),  # the writer pickles the pixel size
        ("pantarhei", "prz", STACK, False),
    ],
)
def test_what_other_programs_write(tmp_path, plugin, suffix, axes, calibrated):
    data = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    data = data if len(axes) == 3 else data[1]
    data = data.astype(np.float32) if plugin == "semper" else data
    path = tmp_path / f"a.{suffix}"
    write_with(plugin, path, data, axes)
    (signal,) = read(path)
    np.testing.assert_array_equal(np.asarray(signal.data), data)
    assert [axis.name.lower() for axis in signal.axes[-2:]] == ["y", "x"]
    if calibrated:
        assert (signal.pixel_size.y, signal.pixel_size.x) == (pytest.approx(0.5), pytest.approx(0.25))
    else:
        assert any("pickle" in note for note in signal.notes)


def test_tvips_streams(tmp_path):
    data = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    write_with("tvips", tmp_path / "a_000.tvips", data, STACK)
    (signal,) = read(next(tmp_path.glob("*.tvips")))
    np.testing.assert_array_equal(np.asarray(signal.data), data)
