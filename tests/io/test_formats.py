"""Every real file of the formats collection: the right shape, scale and unit."""

import os
from pathlib import Path

import numpy as np
import pytest

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.io import read
from napari_visualccc.layers import signal_layer

DATA = Path(os.environ.get("VISUALCCC_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "formats"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the formats collection (set VISUALCCC_DATA)")

# file: [(shape, dtype, (y, x), unit)] for each image in it
EXPECTED = {
    "128x128_TEM_acquire-sum1.emi": [((128, 128), "int32", (21.4793, 21.4793), "nm")],
    "128x128_TEM_acquire-sum1_1.ser": [((128, 128), "int32", (21.4793, 21.4793), "nm")],
    "128x128x5-diffraction_preview.emi": [((5, 128, 128), "int32", (0.0424641, 0.0424641), "1/nm")],
    "128x128x5-diffraction_preview_1.ser": [((5, 128, 128), "int32", (0.0424641, 0.0424641), "1/nm")],
    "16_STOimage.emi": [((1024, 1024), "uint16", (0.0100127, 0.0100127), "nm")],
    "16_STOimage_1.ser": [((1024, 1024), "uint16", (0.0100127, 0.0100127), "nm")],
    "64x64x5_TEM_preview.emi": [((5, 64, 64), "float32", (6.28183, 6.28183), "nm")],
    "64x64x5_TEM_preview_1.ser": [((5, 64, 64), "float32", (6.28183, 6.28183), "nm")],
    "Camera_Ceta_Diffraction_Micro.emd": [((512, 512), "int16", (0.11443, 0.11443), "1/nm")],
    "Camera_Ceta_Imaging_Micro.emd": [((512, 512), "int16", (3.13884, 3.13884), "nm")],
    "HAADFscan.mrc": [((16, 16), "uint16", (5.67913, 5.67913), "nm")],
    "ROI_Random_Scan_movie.mrc": [((348, 16, 16), "uint16", (1, 1), "px")],
    "STEM_HAADF-DF4-DF2-BF_Diffraction_Micro.emd": [((128, 128), "uint16", (87.3708, 87.3708), "nm")] * 4,
    "dmTest_float32_nonSquare_diffPixelSize.dm3": [((64, 128), "float32", (0.2, 1.0), "nm")],
    "dmTest_float32_nonSquare_diffPixelSize.dm4": [((64, 128), "float32", (0.2, 1.0), "nm")],
    "fei_example_tem_stack.emd": [((2, 3, 3), "int16", (0.00817288, 0.00817288), "nm")],
    "multi_signal.dm3": [((512, 512), "uint16", (0.0177516, 0.0177516), "nm")],
    "olympus_SIS.tif": [((101, 112, 3), "uint8", (1, 1), "px"), ((101, 112), "uint16", (0.023928, 0.023928), "nm")],
    "test-MonarcCL_mono-image.dm4": [((2, 2), "uint16", (18325.3, 18325.3), "nm")],
    "test1.blo": [((3, 2, 144, 144), "uint8", (160617, 160617), "nm")],
    "test_STEM_image.dm3": [((68, 68), "uint32", (0.248538, 0.248538), "nm")],
    "test_diffraction_pattern.dm3": [((87, 87), "int32", (0.174433, 0.174433), "1/nm")],
    "test_dm_image_um_unit.dm3": [((68, 68), "int32", (168.675, 168.675), "nm")],
    "test_loading_image_saved_with_imageJ_stack.tif": [((2, 68, 68), "float32", (168.675, 168.675), "nm")],
}
NO_IMAGE = {"08_carbon.dm3": "spectrum", "hspy_ext_missing.hspy": "profile of 1"}


def test_every_file_of_the_collection_is_in_the_table():
    assert {path.name for path in DATA.iterdir() if path.is_file()} == EXPECTED.keys() | NO_IMAGE.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_shape_scale_and_unit(name):
    signals = read(DATA / name)
    found = [(s.data.shape, str(s.data.dtype), (s.pixel_size.y, s.pixel_size.x), s.pixel_size.unit) for s in signals]
    for (shape, dtype, size, unit), expected in zip(found, EXPECTED[name], strict=True):
        assert (shape, dtype, unit) == (expected[0], expected[1], expected[3])
        assert size == pytest.approx(expected[2], rel=1e-5)
        assert np.asarray(signals[0].data).size


@pytest.mark.parametrize("name", EXPECTED)
def test_the_file_opens_as_layers_in_napari(name):
    from napari.components import ViewerModel
    from napari.layers import Layer

    viewer = ViewerModel()
    for signal in read(DATA / name):
        layer = viewer.add_layer(Layer.create(*signal_layer(signal)))
        assert layer.scale[-1] == pytest.approx(signal.pixel_size.x, rel=1e-6) or not signal.pixel_size.is_calibrated
        unit = {"nm": "nanometer", "1/nm": "1 / nanometer", "px": "pixel"}[signal.pixel_size.unit]
        assert [str(one) for one in layer.units[-2:]] == [unit] * 2


@pytest.mark.parametrize("name", NO_IMAGE)
def test_files_without_an_image_say_what_they_hold(name):
    with pytest.raises(FileFormatError, match=NO_IMAGE[name]):
        read(DATA / name)


def test_wrong_calibration_is_told():
    (signal,) = read(DATA / "ROI_Random_Scan_movie.mrc")
    assert any("-1 nm is not positive" in note for note in signal.notes)
    (signal,) = read(DATA / "multi_signal.dm3")
    assert any("profile of 512" in note for note in signal.notes)


def test_a_series_without_its_emi_is_not_believed(tmp_path):
    name = "128x128x5-diffraction_preview_1.ser"
    (tmp_path / name).write_bytes((DATA / name).read_bytes())
    (signal,) = read(tmp_path / name)
    assert signal.pixel_size.unit == "px"
    assert any("cannot be true" in note for note in signal.notes)
    assert all(axis.offset == 0 for axis in signal.axes)


@pytest.mark.parametrize("folder", ["plain", "scan [1]"])
@pytest.mark.parametrize("change", [str, str.upper])
def test_series_and_emi_find_each_other(tmp_path, folder, change):
    (tmp_path / folder).mkdir()
    stem = "128x128x5-diffraction_preview"
    for name in (f"{stem}.emi", f"{stem}_1.ser"):
        (tmp_path / folder / change(name)).write_bytes((DATA / name).read_bytes())
    for name in (f"{stem}.emi", f"{stem}_1.ser"):
        (signal,) = read(tmp_path / folder / change(name))
        assert signal.pixel_size.unit == "1/nm"
    assert len(read(tmp_path / folder)) == 1
    (tmp_path / folder / change(f"{stem}_1.ser")).unlink()
    with pytest.raises(FileFormatError, match="settings only"):
        read(tmp_path / folder / change(f"{stem}.emi"))


def test_of_several_series_a_broken_one_is_left_out(tmp_path):
    stem = "16_STOimage"
    (tmp_path / f"{stem}.emi").write_bytes((DATA / f"{stem}.emi").read_bytes())
    for number in (1, 11):
        (tmp_path / f"{stem}_{number}.ser").write_bytes((DATA / f"{stem}_1.ser").read_bytes())
    (tmp_path / f"{stem}_2.ser").write_bytes(b"broken")
    signals = read(tmp_path / f"{stem}.emi")
    assert [signal.name for signal in signals] == [f"{stem}_1", f"{stem}_11"]
    assert all("_2.ser" in " ".join(signal.notes) for signal in signals)


def test_instrument_settings():
    (signal,) = read(DATA / "16_STOimage_1.ser")
    assert signal.metadata["beam_energy_kv"] == 80
    assert signal.metadata["magnification"] == 13.5e6
    assert signal.metadata["camera_length_mm"] == pytest.approx(116)
    assert "Titan" in signal.metadata["microscope"]
    (signal,) = read(DATA / "Camera_Ceta_Imaging_Micro.emd")
    assert signal.metadata["beam_energy_kv"] == 300
    (signal,) = read(DATA / "test_STEM_image.dm3")
    assert signal.metadata["stage_tilt_alpha_deg"] == pytest.approx(24.95, abs=0.01)


@pytest.mark.parametrize("name", [*EXPECTED, *NO_IMAGE])
def test_a_file_cut_short_gives_one_clear_error_or_a_whole_image(tmp_path, name):
    whole = (DATA / name).read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9, 0.99):
        path = tmp_path / name
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            signals = read(path)
        except FileFormatError as error:
            complaint = str(error)
            assert name in complaint and "\n" not in complaint  # noqa: PT017, PT018 - some cuts are harmless
        else:
            assert all(np.asarray(signal.data).size for signal in signals)


@pytest.mark.parametrize(
    "suffix", ["dm3", "dm4", "emd", "ser", "emi", "mrc", "hspy", "blo", "tvips", "prz", "tif", "png"]
)
@pytest.mark.parametrize("content", [b"", b"hello", bytes(3000), b"\xff" * 5000])
def test_foreign_bytes_give_one_clear_error(tmp_path, suffix, content):
    path = tmp_path / f"foreign.{suffix}"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"foreign.{suffix}"):
        read(path)
