import numpy as np
import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.samples import (
    CRYSTALS,
    HrtemOptions,
    LithiumOptions,
    PorousOptions,
    hrtem,
    lithium,
    porous,
)
from napari_visualccc.samples.napari_hooks import sample_layers

SMALL = {
    "lithium": (lithium, LithiumOptions, {"count": 4, "size": 96}),
    "hrtem": (hrtem, HrtemOptions, {"size": 160, "grain_nm": 2.0}),
    "porous": (porous, PorousOptions, {"count": 4, "size": 96}),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_makes_the_same_images_and_another_seed_others(name):
    make, options, few = SMALL[name]
    first, again, other = (make(options(**few, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.table.equals(again.table)
    assert (first.image != other.image).mean() > 0.5


@pytest.mark.parametrize("name", SMALL)
def test_shapes_types_and_names_agree(name):
    make, options, few = SMALL[name]
    sample = make(options(**few))
    assert sample.image.dtype == np.uint16
    assert sample.labels.dtype == np.uint8
    assert sample.image.shape == sample.labels.shape
    assert set(np.unique(sample.labels)) <= set(sample.class_names)
    assert sum(sample.fractions().values()) == pytest.approx(1)
    assert sample.pixel_size.unit == "nm"


@pytest.mark.parametrize("name", SMALL)
def test_tiny_images_work_and_nonsense_is_refused(name):
    make, options, _ = SMALL[name]
    assert make(options(count=1, size=32)).image.shape == (1, 32, 32)
    with pytest.raises(OptionError):
        options(size=1)
    with pytest.raises(OptionError):
        options(dose=0)


@pytest.mark.parametrize("name", SMALL)
def test_napari_takes_the_layers(name):
    from napari.layers import Layer

    make, options, few = SMALL[name]
    sample = make(options(**few))
    image, truth = (Layer.create(*made) for made in sample_layers(sample))
    assert tuple(image.scale[-2:]) == (sample.pixel_size.y, sample.pixel_size.x)
    assert {str(unit) for unit in image.units[-2:]} == {"nanometer"}
    assert not truth.visible
    assert truth.data.shape == image.data.shape


def test_dose_sets_the_noise():
    flat = {"size": 64, "count": 1, "vacuum": True, "contrast": 0.0}
    low, high = (hrtem(HrtemOptions(**flat, dose=dose)) for dose in (100.0, 10_000.0))
    noise = [sample.image[sample.labels == 0].std() / sample.image[sample.labels == 0].mean() for sample in (low, high)]
    assert noise[0] / noise[1] == pytest.approx(10, rel=0.15)


def peak_of(image, hkl_d_nm, pixel_nm):
    """Spacing of the strongest peak near a spacing, by parabola through the spectrum's maximum."""
    window = np.outer(np.hanning(len(image)), np.hanning(len(image)))
    size = 8 * len(image)
    power = np.abs(np.fft.fftshift(np.fft.fft2((image - image.mean()) * window, (size, size))))
    frequency = np.fft.fftshift(np.fft.fftfreq(size, pixel_nm))
    modulus = np.hypot(frequency[:, None], frequency[None])
    near = np.abs(modulus * hkl_d_nm - 1) < 0.08
    place = np.unravel_index(np.where(near, power, 0).argmax(), power.shape)
    return 1 / modulus[place]


@pytest.mark.parametrize("pixel_nm", [0.02, 0.03])
def test_lattice_spacings_in_the_image_are_the_true_ones(pixel_nm):
    sample = hrtem(HrtemOptions(size=768, pixel_nm=pixel_nm, dose=5e4, grain_nm=8.0, vacuum=False, seed=3))
    measured = []
    for row in sample.table.itertuples():
        places = _largest_square(_grain_at(sample, row), 96)
        if places is not None:
            found = peak_of(sample.image[0][places].astype(float), row.d_nm, pixel_nm)
            measured.append((row.phase, found / row.d_nm - 1))
    assert {phase for phase, _ in measured} == {"Li", "Li2O", "LiF", "Li2CO3"}
    assert all(abs(error) < 0.01 for _, error in measured), measured


def _grain_at(sample, row):
    """Mask of one grain: the patch of its phase that has its area."""
    from scipy.ndimage import label

    number = {name: value for value, name in sample.class_names.items()}[row.phase]
    patches, _ = label(sample.labels[row.plane] == number)
    areas = np.bincount(patches.ravel())[1:] * sample.pixel_size.area
    return patches == 1 + np.abs(areas - row.area_nm2).argmin()


def _largest_square(member, edge):
    from scipy.ndimage import distance_transform_cdt

    inside = distance_transform_cdt(np.pad(member, 1), "chessboard")[1:-1, 1:-1]
    if inside.max() < edge // 2 + 1:
        return None
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return slice(y - edge // 2, y + edge // 2), slice(x - edge // 2, x + edge // 2)


def test_grain_table_agrees_with_the_labels():
    sample = hrtem(HrtemOptions(size=512, seed=5))
    for phase, area in sample.table.groupby("phase").area_nm2.sum().items():
        label = {name: number for number, name in sample.class_names.items()}[phase]
        assert (sample.labels == label).sum() * 0.025**2 == pytest.approx(area)
    for row in sample.table.itertuples():
        hkl = tuple(int(n) for n in row.hkl.split())
        assert CRYSTALS[row.phase].d_spacing(hkl) == pytest.approx(row.d_nm)


def test_brightness_and_coverage_do_not_give_the_lithium_classes_away():
    sample = lithium(LithiumOptions(count=60, size=96))
    spherical = np.array(sample.plane_labels) == "spherical"
    assert spherical.sum() == 30
    assert (sample.table["class"] == np.array(sample.plane_labels)).all()
    for feature in (sample.image.mean((1, 2)), sample.table.deposit_fraction.to_numpy()):
        best = max(max(((feature > cut) == spherical).mean(), ((feature < cut) == spherical).mean()) for cut in feature)
        assert best < 0.75


def test_deposits_are_darker_than_the_film():
    sample = lithium(LithiumOptions(count=2, size=128, pixel_nm=16.0))
    for image, labels in zip(sample.image, sample.labels, strict=True):
        assert image[labels == 1].mean() < 0.85 * image[labels == 0].mean()


def test_porosity_in_the_table_is_that_of_the_labels_and_sets_the_property():
    from scipy.stats import spearmanr

    sample = porous(PorousOptions(count=80, size=96))
    measured = (sample.labels == 1).mean((1, 2))
    np.testing.assert_allclose(sample.table.porosity, measured)
    assert spearmanr(sample.table.porosity, sample.table.critical_current_ma_cm2).statistic < -0.8
    exact = porous(PorousOptions(count=8, size=96, scatter=0.0)).table
    expected = 3.0 * (1 - exact.porosity) ** 2 * np.exp(-3 * exact.outgrowth_fraction)
    np.testing.assert_allclose(exact.critical_current_ma_cm2, expected)


def test_images_of_a_specimen_share_its_porosity():
    table = porous(PorousOptions(count=40, size=96)).table
    assert table.specimen.nunique() == 10
    within = table.groupby("specimen").porosity.std().mean()
    assert within < 0.3 * table.porosity.std()
