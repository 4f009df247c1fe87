import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.segment.bootstrap import ratio_interval
from napari_visualccc.segment.phases import PhaseCounts


def table(planes, labels=(0, 1), names=None, size=None, block="auto", resamples=300, seed=0):
    counts = PhaseCounts((len(planes), *planes[0].shape), block)
    for plane in planes:
        counts.add(plane.astype(np.int32), np.array(labels))
    return counts.table(names or {}, size or PixelSize(), resamples, seed)


def noise(shape, sigma, rng):
    """Correlated noise of unit variance, periodic."""
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    kernel = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * sigma**2))
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=shape)) * np.fft.rfft2(kernel), shape)
    return field / np.sqrt((kernel**2).sum())


def test_areas_and_fractions_are_counts():
    plane = np.zeros((10, 20), int)
    plane[:5, :8] = 1
    found, _ = table([plane, plane], names={0: "matrix", 1: "pore", 9: "crack"}, size=PixelSize(2, 0.5, "nm"))
    assert found["label"].tolist() == [0, 1, 9]
    assert found["class"].tolist() == ["matrix", "pore", "crack"]
    assert found.pixels.tolist() == [320, 80, 0]
    assert found.area_nm2.tolist() == [320, 80, 0]
    assert found.fraction.tolist() == pytest.approx([0.8, 0.2, 0])


def test_ignored_pixels_are_in_no_fraction():
    plane = np.full((8, 8), -1)
    plane[:2] = 1
    plane[2:4] = 0
    found, _ = table([plane])
    assert found.fraction.tolist() == [0.5, 0.5]
    assert found.area_px2.tolist() == [16, 16]


def test_planes_without_a_label_change_no_interval():
    plane = (noise((96, 128), 3, np.random.default_rng(0)) > 0.3).astype(int)
    nothing = np.full_like(plane, -1)
    alone, blocks = table([plane])
    found, same = table([nothing, plane, nothing, nothing])
    assert found.fraction_low.tolist() == alone.fraction_low.tolist()
    assert found.fraction_high[1] > found.fraction[1] > found.fraction_low[1]
    assert same == blocks
    assert table([nothing, nothing])[0].empty or table([nothing, nothing])[0].fraction_low.isna().all()


def test_planes_may_hold_different_phases():
    counts = PhaseCounts((2, 4, 4))
    counts.add(np.zeros((4, 4), np.int32), np.array([7]))
    counts.add(np.array([[0, 1] * 2] * 4, np.int32), np.array([2, 7]))
    found, _ = counts.table({}, PixelSize())
    assert found["label"].tolist() == [2, 7]
    assert found["class"].tolist() == ["class 2", "class 7"]
    assert found.pixels.tolist() == [8, 24]


def test_constant_fields_are_certain_and_what_was_not_found_is_unknown():
    found, _ = table([np.ones((64, 64), int)], names={1: "film", 2: "pore"})
    assert found[["fraction_low", "fraction_high"]].to_numpy()[1].tolist() == [1, 1]
    assert found.loc[[0, 2], ["fraction_low", "fraction_high"]].isna().all(axis=None)


def test_single_pixels_are_unknown():
    found, blocks = table([np.zeros((1, 1), int)])
    assert blocks.count == 1
    assert found[["fraction_low", "fraction_high"]].isna().all(axis=None)


def test_the_same_seed_gives_the_same_interval():
    plane = noise((64, 64), 2, np.random.default_rng(0)) > 0
    first, again, other = (table([plane], seed=seed)[0] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("blocks", [3, 4])
def test_intervals_of_very_few_blocks_cover_the_true_mean(blocks):
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        found = ratio_interval(rng.normal(5, 1, (blocks, 1)), np.ones(blocks), 200, rng)
        hits += found.low[0] <= 5 <= found.high[0]
    assert hits >= 0.9 * 300  # their range holds it in 75 and 88 %


@pytest.mark.parametrize(("fraction", "sigma", "size"), [(0.5, 2.0, 128), (0.2, 4.0, 192)])
def test_intervals_cover_the_true_fraction(fraction, sigma, size):
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(60):
        field = noise((2 * size, 2 * size), sigma, rng)[:size, :size]
        found, _ = table([field < ndtri(fraction)], seed=trial)
        hits += found.fraction_low[1] <= fraction <= found.fraction_high[1]
    # 95 % asked for; of 60 trials with 90 % fewer than 49 would be a chance of 1 in 100.
    assert hits >= 49


def layers(size, sigma, degrees, rng):
    """Field that is constant along one direction, of unit variance."""
    profile = noise((1, 4 * size), sigma, rng)[0]
    y, x = np.mgrid[:size, :size]
    angle = np.radians(degrees)
    return profile[np.rint(y * np.cos(angle) + x * np.sin(angle)).astype(int) + size]


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_intervals_of_layers_cover_the_true_fraction(degrees):
    rng = np.random.default_rng(5)
    hits, given = 0, 0
    for trial in range(60):
        found, _ = table([layers(256, 4, degrees, rng) < 0], seed=trial)
        given += not np.isnan(found.fraction_low[1])
        hits += found.fraction_low[1] <= 0.5 <= found.fraction_high[1]
    assert given >= 55
    assert hits >= 0.85 * given  # of blocks as high as wide: 0.55


@pytest.mark.parametrize("film", [slice(0, 60), slice(15, 75), slice(30, 90)])
def test_one_film_gives_no_narrow_interval(film):
    plane = np.zeros((90, 140), int)
    plane[film] = 1
    for turned in (plane, plane.T):
        found, blocks = table([turned])
        assert blocks.count <= 3
        width = found.fraction_high[1] - found.fraction_low[1]
        assert np.isnan(width) or width > 0.5


def test_blocks_that_agree_by_chance_give_no_interval():
    plane = np.zeros((64, 64), int)
    plane[:, ::2] = 1
    found, blocks = table([plane], block=16)
    assert blocks.count == 16
    assert found[["fraction_low", "fraction_high"]].isna().all(axis=None)


def test_planes_that_differ_are_the_blocks():
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.6, 12)
    planes = [noise((64, 64), 1.5, rng) < shift for shift in shifts]
    found, blocks = table(planes)
    assert (blocks.count, blocks.height, blocks.width) == (12, 64, 64)
    spread = np.std([plane.mean() for plane in planes], ddof=1) / np.sqrt(12)
    assert found.fraction_high[1] - found.fraction_low[1] == pytest.approx(2 * 2.2 * spread, rel=0.3)


def test_planes_that_resemble_their_neighbours_are_drawn_together():
    rng = np.random.default_rng(1)
    volume = gaussian_filter(rng.normal(size=(24, 64, 64)), (3, 2, 2))
    assert table(list(volume > 0))[1].planes > 4
    assert table([noise((64, 64), 2, rng) > 0 for _ in range(24)])[1].planes == 1


def test_a_plane_twice_is_worth_no_more_than_once():
    rng = np.random.default_rng(3)
    plane = noise((256, 256), 2, rng) > 0
    (once, _), (twice, blocks) = (table([plane] * count) for count in (1, 2))
    assert blocks.planes == 2
    widths = [float(found.fraction_high[1] - found.fraction_low[1]) for found in (once, twice)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)  # as if they told anything new: 0.7 of it
    assert table([plane, noise((256, 256), 2, rng) > 0])[1].planes == 1


@pytest.mark.parametrize("count", [2, 5])
def test_copies_of_a_coarse_plane_are_worth_no_more_than_one(count):
    missed = {1: 0, count: 0}
    for trial in range(30):
        plane = noise((288, 288), 16, np.random.default_rng(trial))[:96, :96] > 0
        for planes in missed:
            found, _ = table([plane] * planes, seed=trial)
            missed[planes] += not found[["fraction_low", "fraction_high"]].isna().all(axis=None) and not (
                found.fraction_low[1] <= 0.5 <= found.fraction_high[1]
            )
    assert missed[count] <= missed[1] + 1  # as if they told anything new: 24 or more


def test_few_planes_that_differ_are_not_drawn_together():
    rng = np.random.default_rng(0)
    planes = [noise((128, 128), 1.5, rng) < shift for shift in (-0.6, 0.5, 0.1)]
    found, blocks = table(planes)
    assert blocks.count == 3
    assert np.isfinite(found.fraction_low).all()


def test_blocks_of_a_given_size():
    plane = noise((96, 64), 2, np.random.default_rng(0)) > 0
    _, blocks = table([plane], block=32)
    assert (blocks.height, blocks.width, blocks.count) == (32, 32, 6)
    _, blocks = table([plane], block=1000)
    assert blocks.count == 1


def test_intervals_of_few_blocks_are_those_of_student():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        found = ratio_interval(rng.normal(5, 1, (8, 1)), np.ones(8), 200, rng)
        hits += found.low[0] <= 5 <= found.high[0]
    assert hits >= 0.9 * 300
    assert np.isnan(ratio_interval(np.ones((2, 2)), np.ones(2), 100, rng).low).all()
    assert np.isnan(ratio_interval(np.ones((5, 2)), np.ones(5), 0, rng).high).all()
