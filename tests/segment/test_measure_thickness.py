import numpy as np
import pytest

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.segment.chains import Piece
from napari_visualccc.segment.thickness import measure_thickness, thickness_summary, thickness_table
from napari_visualccc.segment.thickness_interval import mean_interval

SQUARE, TALL, WIDE = PixelSize(), PixelSize(2, 1, "nm"), PixelSize(0.5, 1.5, "nm")
SIZES = pytest.mark.parametrize("size", [SQUARE, TALL, WIDE], ids=str)


FIELD = 240


def centre(size):
    """Place off the middle of the field, between pixels, in physical units."""
    return np.array([0.5, 0.5]) * FIELD * max(size.y, size.x) + (-0.37, 0.21)


def grid(size):
    """Physical coordinates of the pixels of a square field, from its centre."""
    field = FIELD * max(size.y, size.x)
    y, x = np.mgrid[: int(field / size.y), : int(field / size.x)].astype(float)
    return y * size.y - centre(size)[0], x * size.x - centre(size)[1]


def turned(y, x, degrees):
    """Coordinates along and across a line of that direction."""
    angle = np.radians(degrees)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def values(found):
    return np.concatenate([piece.thickness for piece in found.pieces]) if found.pieces else np.zeros(0)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 20, 50])
def test_a_horizontal_band_measures_its_rows(rows):
    band = np.zeros((120, 200), bool)
    band[30 : 30 + rows] = True
    for layer in (band, band.T):
        found = measure_thickness(layer, SQUARE)
        assert values(found) == pytest.approx(rows, abs=0.02)
        summary = thickness_summary([found], SQUARE)
        assert summary.length_px[0] == pytest.approx(200, abs=2)


@SIZES
@pytest.mark.parametrize("degrees", [0, 10, 27, 45, 80, 90, 130])
def test_tilted_bands(degrees, size):
    _, across = turned(*grid(size), degrees)
    thickness = 40 * max(size.y, size.x)
    found = measure_thickness(np.abs(across) <= thickness / 2, size)
    assert values(found).mean() == pytest.approx(thickness, rel=0.01)
    assert np.abs(values(found) / thickness - 1).max() < 0.05
    assert len(found.pieces) == 1


@pytest.mark.parametrize("degrees", [10, 27, 63, 80])
def test_thin_tilted_bands(degrees):
    _, across = turned(*grid(SQUARE), degrees)
    assert values(measure_thickness(np.abs(across) <= 2.5, SQUARE)).mean() == pytest.approx(5, rel=0.01)


@SIZES
@pytest.mark.parametrize(("inner", "outer"), [(50, 70), (20, 50), (80, 86)])
def test_a_ring_is_closed_and_measured_all_around(inner, outer, size):
    y, x = grid(size)
    scale = max(size.y, size.x)
    radius = np.hypot(y, x) / scale
    found = measure_thickness((radius >= inner) & (radius <= outer), size)
    (ring,) = found.pieces
    assert ring.closed
    assert ring.thickness.mean() == pytest.approx((outer - inner) * scale, rel=0.01)
    assert np.abs(ring.thickness / scale - (outer - inner)).max() < 1.0
    from_centre = np.hypot(*(ring.points - centre(size)).T)
    assert from_centre == pytest.approx((inner + outer) / 2 * scale, abs=0.5 * scale)
    length = thickness_summary([found], size)[f"length_{size.unit}"][0]
    assert length == pytest.approx(np.pi * (inner + outer) * scale, rel=0.01)


def test_an_arc_that_leaves_the_image():
    y, x = grid(SQUARE)
    radius = np.hypot(y, x + 200)
    found = measure_thickness((radius >= 180) & (radius <= 210), SQUARE)
    assert values(found) == pytest.approx(30, abs=0.7)
    assert values(found).mean() == pytest.approx(30, rel=0.005)


@pytest.mark.parametrize("degrees", [0, 20, 70])
def test_free_ends_add_no_thin_places(degrees):
    along, across = turned(*grid(SQUARE), degrees)
    square = measure_thickness((np.abs(across) <= 10) & (np.abs(along) <= 80), SQUARE)
    rounded = measure_thickness(np.hypot(np.maximum(np.abs(along) - 70, 0), across) <= 10, SQUARE)
    for found in (square, rounded):
        assert values(found) == pytest.approx(20, abs=0.8)
        assert len(values(found)) == pytest.approx(140, abs=4)


def test_positions_run_on_over_gaps():
    along, across = turned(*grid(SQUARE), 20)
    found = measure_thickness((np.abs(across) <= 10) & (np.abs(along) > 15), SQUARE)
    table = thickness_table([found], SQUARE)
    assert table.layer.unique().tolist() == [0]
    assert table.position_px.is_monotonic_increasing
    # The gap is 30 wide, and half a thickness before and after it is left out.
    assert table.position_px.diff().max() == pytest.approx(50, abs=2)
    assert table.thickness_px.mean() == pytest.approx(20, rel=0.01)


def test_parallel_layers_are_two_layers():
    plane = np.zeros((120, 200), bool)
    plane[20:30] = plane[80:95, :150] = True
    table = thickness_table([measure_thickness(plane, SQUARE)], SQUARE)
    assert table.groupby("layer").thickness_px.mean().tolist() == pytest.approx([10, 15], abs=0.05)
    assert table.groupby("layer").position_px.min().tolist() == [0, 0]


@SIZES
def test_thickness_that_changes_along_the_layer(size):
    along, across = turned(*grid(size), 15)
    scale = max(size.y, size.x)
    found = measure_thickness(np.abs(across) <= 10 * scale + 0.05 * along, size)
    table = thickness_table([found], size)
    y, x = (table[f"{axis}_{size.unit}"] - origin for axis, origin in zip("yx", centre(size), strict=True))
    slope = np.polyfit(turned(y, x, 15)[0], table[f"thickness_{size.unit}"], 1)[0]
    assert slope == pytest.approx(0.1, rel=0.03)


def test_branches_do_not_count_where_they_meet():
    along, across = turned(*grid(SQUARE), 20)
    found = measure_thickness((np.abs(across) <= 10) | ((np.abs(along) <= 6) & (across > 0)), SQUARE)
    table = thickness_table([found], SQUARE)
    assert table.groupby("layer").thickness_px.median().tolist() == pytest.approx([20, 12], abs=0.3)
    assert table.thickness_px.max() < 30


def test_pores_are_part_of_the_layer():
    y, x = np.mgrid[:100, :300]
    layer = (np.abs(y - 50) < 20) & ((x % 50 - 25) ** 2 + (y - 50) ** 2 > 40)
    found = measure_thickness(layer, SQUARE)
    assert values(found) == pytest.approx(39, abs=0.05)
    assert np.isnan(found.map[50, 25])
    assert found.map[50, 0] == pytest.approx(39, abs=0.05)


@pytest.mark.parametrize("degrees", [0, 25])
def test_cracks_across_do_not_cut_the_layer(degrees):
    along, across = turned(*grid(SQUARE), degrees)
    band = np.abs(across) <= 25
    cracked = band & ~(np.abs((along + 0.3 * across + 20) % 60 - 30) < 3)
    for layer in (band, cracked):
        found = measure_thickness(layer, SQUARE)
        assert len(found.pieces) == 1
        assert values(found).mean() == pytest.approx(50, rel=0.01)
        # The ends of the cracks leave small nicks in the surface.
        assert values(found) == pytest.approx(50, abs=4)
        assert len(values(found)) > 215
        assert not np.isfinite(found.map[~layer]).any()


def test_narrow_gaps_between_long_layers_stay():
    plane = np.zeros((120, 300), bool)
    plane[20:50] = plane[54:84] = True
    assert values(measure_thickness(plane, SQUARE)) == pytest.approx(30, abs=0.05)


def test_a_rough_surface_is_measured_to_its_end():
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:200, :400]
    top = 60 + 5 * np.convolve(rng.normal(size=400), np.ones(25) / 5, "same")
    layer = (y > top) & (y < 150 + 0.1 * x)
    found = measure_thickness(layer, SQUARE)
    # Perpendicular to the middle, which is tilted by about half as much as the lower side.
    assert values(found).mean() == pytest.approx(layer.sum(axis=0).mean() * np.cos(0.05), rel=0.02)
    assert len(values(found)) > 370


def test_the_map_shows_the_layer_and_nothing_else():
    _, across = turned(*grid(SQUARE), 30)
    layer = np.abs(across) <= 12
    found = measure_thickness(layer, SQUARE)
    assert found.map.dtype == np.float32
    assert not np.isfinite(found.map[~layer]).any()
    # A pixel in the corner of the image may be too far from the last place that has a thickness.
    assert np.isfinite(found.map[layer]).mean() > 0.999
    assert found.map[np.isfinite(found.map)] == pytest.approx(24, abs=1)


def test_what_is_no_layer_has_no_thickness():
    y, x = np.mgrid[:200, :200]
    nothings = {
        "empty": np.zeros((20, 20), bool), "full": np.ones((20, 20), bool), "pixel": np.ones((1, 1), bool),
        "disc": np.hypot(y - 90, x - 100) < 40, "square": (abs(y - 90) < 30) & (abs(x - 100) < 30),
        "half": y < 80, "corner": x + y < 60, "one pixel": (y == 3) & (x == 4), "row": np.ones((1, 50), bool),
        "cut band": y < 12,
    }  # fmt: skip
    for name, layer in nothings.items():
        found = measure_thickness(layer, SQUARE)
        assert not found.pieces, name
        assert np.isnan(found.map).all(), name


def test_noise_does_no_harm():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5):
        measure_thickness(rng.random((50, 60)) < share, WIDE)


def test_specks_do_not_count():
    layer = np.zeros((100, 300), bool)
    layer[40:60] = True
    layer[5, 10:20] = True
    assert len(measure_thickness(layer, SQUARE).pieces) == 1
    layer[80:90, 10:110] = True
    assert len(measure_thickness(layer, SQUARE).pieces) == 2


def test_the_interval_covers_the_true_mean():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(24):
        wave = np.convolve(rng.normal(size=800), np.exp(-(np.arange(-24, 25) ** 2) / 128), "same")[100:700]
        y = np.arange(80)[:, None]
        layer = (y >= 30) & (y < 50 + 3 * wave / wave.std())
        summary = thickness_summary([measure_thickness(layer, SQUARE)], SQUARE, 300, trial)
        hits += summary.mean_low_px[0] <= 20 <= summary.mean_high_px[0]
    assert hits >= 19


def wave(rng):
    return np.convolve(rng.normal(size=800), np.exp(-(np.arange(-24, 25) ** 2) / 128), "same")[100:700]


def test_slices_that_are_alike_make_no_narrower_interval():
    y, surface = np.arange(80)[:, None], wave(np.random.default_rng(0))
    found = measure_thickness((y >= 30) & (y < 50 + surface), SQUARE)
    nothing = measure_thickness(np.zeros((80, 600), bool), SQUARE)
    one, *others = (
        thickness_summary(planes, SQUARE, 300) for planes in ([found], [found] * 2, [nothing, *[found] * 16])
    )
    for other in others:
        assert other.mean_px[0] == pytest.approx(one.mean_px[0])
        assert other.mean_high_px[0] - other.mean_low_px[0] == pytest.approx(
            one.mean_high_px[0] - one.mean_low_px[0], rel=0.02
        )


@pytest.mark.parametrize(("alike", "narrower"), [(0.0, 0.4), (0.9, 0.9)])
def test_the_interval_of_a_volume_covers_the_true_mean(alike, narrower):
    hits, widths = 0, []
    for trial in range(40):
        rng = np.random.default_rng(trial)
        surface, planes = wave(rng), []
        for _ in range(20):
            places = np.stack([40 + surface / 10, np.arange(600.0)], axis=1)
            planes.append([Piece(places, places[:, 1], 20 + surface, False, 1.0)])
            surface = alike * surface + np.sqrt(1 - alike**2) * wave(rng)
        low, high = mean_interval(planes, 300, trial)
        hits += low <= 20 <= high
        widths.append((high - low) / np.ptp(mean_interval(planes[:1], 300, trial)))
    assert hits >= 34
    assert np.median(widths) < narrower


@pytest.mark.parametrize("slices", [2, 5])
def test_slices_of_a_short_layer_tell_no_more_than_one(slices):
    missed = {1: 0, slices: 0}
    for trial in range(40):
        surface = wave(np.random.default_rng(trial))[:24]
        places = np.stack([40 + surface / 10, np.arange(24.0)], axis=1)
        for planes in missed:
            piece = Piece(places, places[:, 1], 20 + surface, False, 1.0)
            low, high = mean_interval([[piece]] * planes, 300, trial)
            missed[planes] += not np.isnan(low) and not low <= 20 <= high
    assert missed[slices] <= missed[1] + 1  # taken for independent: more than half of them


def profile(length, sigma, rng):
    """Smooth noise of unit variance, ρ = exp(-h²/4 sigma²)."""
    kernel = np.exp(-(np.arange(-4 * sigma, 4 * sigma + 1) ** 2) / (2 * sigma**2))
    return np.convolve(rng.normal(size=length + 8 * sigma), kernel / np.sqrt((kernel**2).sum()), "valid")


def strip(thickness, layer=0):
    places = np.stack([np.full(len(thickness), 50.0 * layer), np.arange(len(thickness))], axis=1)
    return Piece(places, places[:, 1], thickness, False, 1.0, layer)


def coverage(make, trials=250):
    """Share of intervals that hold 20, and of series that have one."""
    found = np.array([mean_interval(make(np.random.default_rng(trial)), 300, trial) for trial in range(trials)])
    low, high = found[~np.isnan(found[:, 0])].T
    return float(((low <= 20) & (high >= 20)).mean()), len(low) / trials


@pytest.mark.parametrize(("layers", "spread", "planes"), [(3, 3.0, 1), (6, 3.0, 1), (6, 3.0, 8), (6, 0.0, 1)])
def test_the_interval_of_several_layers_covers_the_true_mean(layers, spread, planes):
    def make(rng):
        plane = [strip(20 + rng.normal(0, spread) + 2 * profile(200, 5, rng), layer) for layer in range(layers)]
        return [plane] * planes

    hits, given = coverage(make)
    assert given > 0.95
    assert hits >= 0.88  # of stretches of all layers: 0.6 for three, 0.85 for six


@pytest.mark.parametrize("layers", [1, 3])
def test_the_interval_of_planes_that_differ_covers_the_true_mean(layers):
    def make(rng):
        return [
            [strip(20 + level + 2 * profile(200, 5, rng), layer) for layer in range(layers)]
            for level in rng.normal(0, 3, 6)
        ]

    assert coverage(make)[0] >= 0.87


@pytest.mark.parametrize("times", [3, 6])
def test_layers_of_a_few_correlation_times_rather_have_no_interval_than_a_false_one(times):
    hits, given = coverage(lambda rng: [[strip(20 + 2 * profile(times * 53, 15, rng))]])  # √(4π) · 15 = 53
    assert (1 - hits) * given <= 0.12  # from two blocks on, without correcting the time: 0.46 and 0.24


def test_a_summary_of_several_planes_has_a_row_for_each():
    bands = [np.zeros((60, 100), bool) for _ in range(3)]
    bands[0][10:20] = bands[1][10:40] = True
    summary = thickness_summary([measure_thickness(band, TALL) for band in bands], TALL)
    assert summary.plane.tolist() == ["all", "0", "1", "2"]
    assert summary.mean_nm.tolist() == pytest.approx([40, 20, 60, np.nan], abs=0.2, nan_ok=True)
    assert summary.layers.tolist() == [2, 1, 1, 0]


def test_a_table_of_nothing_has_its_columns():
    table = thickness_table([measure_thickness(np.zeros((5, 5), bool), TALL)], TALL)
    assert table.columns.tolist() == ["plane", "layer", "position_nm", "y_nm", "x_nm", "thickness_nm"]
    assert table.empty


def test_cancelling():
    band = np.zeros((60, 100), bool)
    band[20:40] = True
    with pytest.raises(Cancelled):
        measure_thickness(band, SQUARE, progress=Progress(is_cancelled=lambda: True))
