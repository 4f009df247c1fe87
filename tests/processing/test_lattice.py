"""Regions, maps and filters: images whose lattices are known."""

import dask.array as da
import numpy as np
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.phases import choose_phases
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.processing import (
    LatticeOptions,
    analyse_spectrum,
    bragg_filter,
    filter_spots,
    map_lattice,
    pixel_size_from_spacing,
)
from napari_visualccc.processing.lattice import region_of
from napari_visualccc.samples import HrtemOptions, hrtem

SIZE = PixelSize(0.025, 0.025, "nm")


def lattice_image(name, zone, shape, *, turn=0.2, size=SIZE):
    (crystal,) = choose_phases([name])
    y, x = np.arange(shape[0])[:, None] * size.y, np.arange(shape[1])[None] * size.x
    cosine, sine = np.cos(turn), np.sin(turn)
    total = np.zeros(shape)
    for reflection in crystal.reflections(zone, 0.13):
        ky, kx = reflection.vector
        ky, kx = ky * cosine + kx * sine, kx * cosine - ky * sine
        total += reflection.amplitude * np.cos(2 * np.pi * (ky * y + kx * x))
    return total / total.std()


@pytest.fixture(scope="module")
def two_grains():
    """Gold beside silicon, noise between them, 320 × 512."""
    rng = np.random.default_rng(0)
    truth = np.zeros((320, 512), int)
    truth[:, :190], truth[:, 330:] = 1, 2
    image = rng.normal(0, 1, truth.shape)
    image += 0.5 * (truth == 1) * lattice_image("Au", (1, 1, 0), truth.shape)
    image += 0.5 * (truth == 2) * lattice_image("Si", (1, 1, 0), truth.shape, turn=0.9)
    return image, truth


@pytest.fixture(scope="module")
def mapped(two_grains):
    return map_lattice(two_grains[0], pixel_size=SIZE, name="grains")


def test_phases_grains_and_spacings(two_grains, mapped):
    _, truth = two_grains
    assert set(mapped.table["phase"]) == {"Au", "Si"}
    for phase, label in (("Au", 1), ("Si", 2)):
        seen = mapped.phase == mapped.phase_names.index(phase) + 1
        both = (seen & (truth == label)).sum() / (seen | (truth == label)).sum()
        assert both > 0.85
        row = mapped.table[mapped.table["phase"] == phase].iloc[0]
        (crystal,) = choose_phases([phase])
        hkl = tuple(int(n) for n in row.hkl.split())
        assert row.d_nm == pytest.approx(crystal.d_spacing(hkl), rel=5e-3)
        assert row.area_nm2 == pytest.approx((truth == label).sum() * SIZE.area, rel=0.12)
        assert row.probability > 0.5
    assert mapped.confidence[truth == 0].mean() < 0.1
    assert mapped.prominence[:, 60:120].min() > mapped.prominence[:, 255:265].max()


def test_result_says_how_it_was_made(mapped):
    record = mapped.provenance
    assert record.operation == "fft map"
    assert record.command.startswith("visualccc fft grains --map --phases Li,Li2O")
    assert record.parameters["false_alarms"] == 0.01
    assert [layer.title for layer in mapped.layers] == [
        "crystallinity", "crystal-confidence", "crystals", "crystal-phases",
    ]  # fmt: skip
    assert mapped.phase_table["grains"].sum() == len(mapped.found)


def test_stack_of_any_kind_gives_the_same(two_grains, mapped):
    image = two_grains[0]
    scaled = np.rint(1000 * (image - image.min())).astype(np.uint16)
    stack = da.from_array(np.stack([scaled, scaled[::-1]]), chunks=(1, 320, 512))
    found = map_lattice(stack, pixel_size=SIZE)
    assert found.grains.shape == stack.shape
    assert sorted(found.table["plane"]) == [0, 0, 1, 1]
    assert sorted(found.table["label"]) == [1, 2, 3, 4]
    assert (found.phase[0] == mapped.phase).mean() > 0.995


def test_uncalibrated_gives_pixels_and_no_phase(two_grains):
    found = map_lattice(two_grains[0])
    assert set(found.table["phase"]) == {"unknown"}
    assert found.phase_names == ("unknown",)
    assert "d_px" in found.table
    assert ((found.grains > 0) == (two_grains[1] > 0)).mean() > 0.85


def test_same_input_same_result(two_grains, mapped):
    again = map_lattice(two_grains[0], pixel_size=SIZE, name="grains")
    np.testing.assert_array_equal(again.grains, mapped.grains)
    np.testing.assert_array_equal(again.confidence, mapped.confidence)


@pytest.mark.parametrize("image", [np.zeros((64, 64)), np.random.default_rng(1).normal(size=(128, 100))])
def test_nothing_crystalline_gives_empty_maps(image):
    found = map_lattice(image, pixel_size=SIZE)
    assert not found.grains.any()
    assert len(found.table) == 0
    assert "d_nm" in found.table
    assert found.crystalline_fraction == 0


def test_map_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match="at least 32"):
        map_lattice(np.zeros((8, 100)))
    with pytest.raises(InputError, match="1/nm"):
        map_lattice(np.zeros((64, 64)), pixel_size=PixelSize(0.1, 0.1, "1/nm"))


def test_cancel(two_grains):
    with pytest.raises(Cancelled):
        map_lattice(two_grains[0], pixel_size=SIZE, progress=Progress(is_cancelled=lambda: True))


def test_simulated_interphase():
    sample = hrtem(HrtemOptions(size=512, seed=3, vacuum=False))
    found = map_lattice(sample.image, pixel_size=sample.pixel_size)
    seen, true = found.grains[0] > 0, sample.labels[0] >= 2
    assert (seen & true).sum() / (seen | true).sum() > 0.8


def test_a_crystal_smaller_than_a_window_is_found_and_named():
    # 40 pixels across, where the fringes of the large grain ask for windows of some 100.
    image = np.random.default_rng(4).normal(size=(320, 512))
    image[:, :256] += 0.7 * lattice_image("Si", (1, 1, 0), (320, 256))
    image[140:185, 400:445] += 1.5 * lattice_image("Au", (1, 1, 0), (45, 45), turn=0.5)
    found = map_lattice(image, pixel_size=SIZE)
    assert found.window_px > 80
    assert set(found.table["phase"]) == {"Au", "Si"}
    seen, true = found.phase == found.phase_names.index("Au") + 1, np.zeros(image.shape, bool)
    true[140:185, 400:445] = True
    assert (seen & true).sum() / (seen | true).sum() > 0.5
    assert np.array_equal(np.unique(found.grains), np.arange(len(found.table) + 1))


def test_a_grain_of_few_spots_is_named_by_a_spectrum_of_its_own():
    # So faint that windows show one spot of six.
    image = np.random.default_rng(5).normal(size=(384, 384))
    image[60:330, 100:250] += 0.17 * lattice_image("Li", (1, 1, 1), (270, 150), turn=0.3)
    found = map_lattice(image, pixel_size=SIZE)
    largest = found.table.sort_values("area_nm2").iloc[-1]
    assert (largest.phase, largest.zone.replace("-", "")) == ("Li", "1 1 1")
    assert largest.spots >= 5
    assert largest.d_nm == pytest.approx(0.2481, rel=1e-2)


def test_region_of_an_image(two_grains):
    image, _ = two_grains
    left = analyse_spectrum(image, roi=(0, 0, 320, 180), pixel_size=SIZE)
    right = analyse_spectrum(image, roi=(0, 340, 1000, 1000), pixel_size=SIZE)
    assert (left.ranked[0].phase, right.ranked[0].phase) == ("Au", "Si")
    assert left.table["matches"].iloc[0].startswith("Au")
    assert "--roi 0,0,320,180" in left.provenance.command


@pytest.mark.parametrize("roi", [(400, 0, 100, 100), (0, 600, 64, 64), (-100, 0, 110, 100), (0, 0, 8, 8)])
def test_region_outside_is_said_in_words(roi):
    with pytest.raises(OptionError, match="covers less than"):
        region_of(roi, (320, 512))


def test_region_is_cut_at_the_border():
    assert region_of((-10, 500, 100, 100), (320, 600)) == (slice(0, 90), slice(500, 600))
    assert region_of(None, (20, 30)) == (slice(0, 20), slice(0, 30))


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.astype(np.float64),
        lambda image: np.rint(100 * (image - image.min())).astype(np.uint16),
        lambda image: np.repeat(np.rint(20 * (image - image.min())).astype(np.uint8)[..., None], 3, axis=-1),
        lambda image: np.where(np.arange(image.size).reshape(image.shape) % 97 == 0, np.nan, image),
        lambda image: da.from_array(image, chunks=64)[None],
    ],
)
def test_images_of_any_kind(change):
    image = lattice_image("SrTiO3", (1, 0, 0), (192, 200)) + np.random.default_rng(0).normal(size=(192, 200))
    found = analyse_spectrum(change(image), pixel_size=SIZE)
    assert found.ranked[0].phase == "SrTiO3"
    assert found.spectrum.unit == "1/nm"


@pytest.mark.parametrize("image", [np.zeros((1, 1)), np.full((64, 64), np.nan)])
def test_images_that_are_none(image):
    with pytest.raises((InputError, OptionError)):
        analyse_spectrum(image)


def test_uncalibrated_spectrum_says_pixels():
    image = lattice_image("Au", (1, 1, 0), (128, 128)) + np.random.default_rng(0).normal(size=(128, 128))
    found = analyse_spectrum(image)
    assert "d_px" in found.table
    assert found.ranked == ()
    assert found.table["matches"].eq("").all()


def test_calibration_from_a_known_spacing():
    image = lattice_image("Au", (1, 0, 0), (256, 256)) + np.random.default_rng(0).normal(size=(256, 256))
    found = analyse_spectrum(image)
    longest = float(found.peaks.spacing.max())
    size = pixel_size_from_spacing(longest, 0.40786 / 2, PixelSize())
    assert size.unit == "nm"
    assert size.x == pytest.approx(0.025, rel=3e-3)
    pattern = pixel_size_from_spacing(0.2, 0.4, PixelSize(0.1, 0.2, "1/nm"))
    assert (pattern.y, pattern.x, pattern.unit) == (0.05, 0.1, "1/nm")
    with pytest.raises(OptionError):
        pixel_size_from_spacing(0, 0.2, PixelSize())


def test_bragg_filter_keeps_one_lattice(two_grains):
    image, truth = two_grains
    found = analyse_spectrum(image, roi=(0, 0, 320, 180), pixel_size=SIZE)
    filtered = filter_spots(image, [tuple(k) for k in found.peaks.frequency], SIZE)
    assert filtered[truth == 1].std() > 3 * filtered[:, 360:].std()
    with pytest.raises(OptionError, match="choose the spots"):
        filter_spots(image, [], SIZE)


def test_bragg_filter_of_everything_is_the_image():
    image = np.random.default_rng(0).normal(size=(64, 48))
    np.testing.assert_allclose(bragg_filter(image, [(0, 0)], 100.0), image - image.mean(), atol=1e-4)


def test_limits_of_options():
    with pytest.raises(OptionError):
        LatticeOptions(false_alarms=0)
    with pytest.raises(OptionError):
        LatticeOptions(taper="square")
    assert LatticeOptions(local_window=64).local_window == 64
