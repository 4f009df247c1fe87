import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import regionprops_table

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.segment.hulls import Runs, measure_hulls
from napari_visualccc.segment.measure_options import MeasureOptions
from napari_visualccc.segment.measurement import measure_phases
from napari_visualccc.segment.objects import measure_objects
from napari_visualccc.segment.sizes import size_histogram, weighted_quantiles

OBLONG = PixelSize(2, 0.5, "nm")


def measure(mask, size=None, **options):
    return measure_objects(np.asarray(mask).astype(np.int32), [1], size or PixelSize(), **options)


def physical(shape, size, centre):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return y * size.y - centre[0], x * size.x - centre[1]


def blobs(seed=0, shape=(200, 260)):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3) > 0.06


@pytest.mark.parametrize("connectivity", [4, 8])
def test_objects_are_those_of_regionprops(connectivity):
    mask = blobs()
    image = np.random.default_rng(1).normal(100, 5, mask.shape)
    found = measure(mask, image=image, connectivity=connectivity)
    columns = found.columns
    assert np.array_equal(found.numbers > 0, mask)
    assert found.count > 50
    wanted = ["area", "centroid", "equivalent_diameter_area", "axis_major_length", "axis_minor_length", "orientation",
              "intensity_mean", "intensity_std"]  # fmt: skip
    theirs = regionprops_table(found.numbers, image, properties=wanted)
    assert columns["pixels"].tolist() == theirs["area"].tolist()
    for ours, other in (
        ("y_px", "centroid-0"), ("x_px", "centroid-1"), ("equivalent_diameter_px", "equivalent_diameter_area"),
        ("mean_intensity", "intensity_mean"), ("std_intensity", "intensity_std"),
    ):  # fmt: skip
        np.testing.assert_allclose(columns[ours], theirs[other], atol=1e-9, err_msg=ours)
    # scikit-image's pixels are points; ours have a second moment of 1/12, of which an axis is four times the root.
    ratio = np.sqrt((theirs["axis_major_length"] ** 2 + 16 / 12) / (theirs["axis_minor_length"] ** 2 + 16 / 12))
    np.testing.assert_allclose(columns["aspect_ratio"], ratio, rtol=1e-6)
    # Theirs is the angle from the rows' axis; ours from the x axis, counter-clockwise as seen.
    angle = (np.degrees(theirs["orientation"]) + 90) % 180
    turn = np.abs((columns["orientation_deg"] - angle + 90) % 180 - 90)
    assert turn[ratio > 1.01].max() < 1e-6


@pytest.mark.parametrize("size", [PixelSize(), OBLONG], ids=str)
def test_discs(size):
    radius = 30 * max(size.y, size.x)
    shape = (int(2.2 * radius / size.y), int(2.2 * radius / size.x))
    y, x = physical(shape, size, (1.1 * radius, 1.1 * radius))
    columns = measure(np.hypot(y, x) <= radius, size).columns
    unit = size.column_unit
    assert columns[f"area_{unit}2"][0] == pytest.approx(np.pi * radius**2, rel=0.003)
    assert columns[f"equivalent_diameter_{unit}"][0] == pytest.approx(2 * radius, rel=0.002)
    for feret in ("feret_max", "feret_min"):
        assert columns[f"{feret}_{unit}"][0] == pytest.approx(2 * radius, abs=1.5 * max(size.y, size.x))
    assert columns[f"perimeter_{unit}"][0] == pytest.approx(2 * np.pi * radius, rel=0.01)
    assert columns["circularity"][0] == pytest.approx(1, abs=0.02)
    assert columns["aspect_ratio"][0] == pytest.approx(1, abs=0.01)
    assert columns["solidity"][0] == pytest.approx(1, abs=0.04)
    assert [columns[f"{axis}_{unit}"][0] for axis in "yx"] == pytest.approx([1.1 * radius] * 2, rel=0.01)
    assert not columns["touches_border"][0]


@pytest.mark.parametrize("size", [PixelSize(), OBLONG], ids=str)
@pytest.mark.parametrize("degrees", [0, 25, 45, 90, 160])
def test_turned_ellipses(degrees, size):
    scale = max(size.y, size.x)
    field = 140 * scale
    y, x = physical((int(field / size.y), int(field / size.x)), size, (field / 2, field / 2))
    angle = np.radians(degrees)
    along, across = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    columns = measure((along / 60) ** 2 + (across / 20) ** 2 <= scale**2, size).columns
    assert columns["aspect_ratio"][0] == pytest.approx(3, rel=0.01)
    assert (columns["orientation_deg"][0] - degrees + 90) % 180 - 90 == pytest.approx(0, abs=0.5)
    assert columns[f"feret_max_{size.unit}"][0] == pytest.approx(120 * scale, rel=0.015)
    assert columns[f"feret_min_{size.unit}"][0] == pytest.approx(40 * scale, rel=0.03)


def test_turned_rectangles():
    y, x = physical((200, 200), PixelSize(), (100.3, 99.8))
    angle = np.radians(35)
    along, across = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    columns = measure((np.abs(along) <= 60) & (np.abs(across) <= 20)).columns
    assert columns["feret_max_px"][0] == pytest.approx(np.hypot(120, 40), abs=1.5)
    assert columns["feret_min_px"][0] == pytest.approx(40, abs=1.5)
    assert columns["area_px2"][0] == pytest.approx(4800, rel=0.01)
    assert columns["perimeter_px"][0] == pytest.approx(320, rel=0.015)


def test_upright_rectangles_are_exact():
    mask = np.zeros((30, 40), bool)
    mask[5:8, 10:14] = True
    columns = measure(mask, OBLONG).columns
    exact = {"feret_max_nm": np.hypot(6, 2), "feret_min_nm": 2, "area_nm2": 12, "aspect_ratio": 3, "solidity": 1,
             "orientation_deg": 90, "y_nm": 12, "x_nm": 5.75}  # fmt: skip
    assert {name: columns[name][0] for name in exact} == pytest.approx(exact)


def test_single_pixels_are_rectangles():
    columns = measure(np.ones((1, 1)), OBLONG).columns
    exact = {"feret_max_nm": np.hypot(2, 0.5), "feret_min_nm": 0.5, "area_nm2": 1, "aspect_ratio": 4, "solidity": 1}
    assert {name: columns[name][0] for name in exact} == pytest.approx(exact)
    assert columns["touches_border"][0]
    assert np.isnan(measure(np.pad([[1]], 1)).columns["orientation_deg"][0])


def test_hulls_are_those_of_qhull():
    from scipy.spatial import ConvexHull

    found = measure(blobs(3))
    runs = Runs.of(found.numbers, found.count)
    hulls = measure_hulls(runs, OBLONG)
    for number in range(1, found.count + 1):
        y, x = np.nonzero(found.numbers == number)
        corners = np.concatenate([np.stack([(y + i) * 2, (x + j) * 0.5], 1) for i in (-0.5, 0.5) for j in (-0.5, 0.5)])
        hull = ConvexHull(corners)
        points = corners[hull.vertices]
        assert hulls.area[number - 1] == pytest.approx(hull.volume)
        assert hulls.feret_max[number - 1] == pytest.approx(
            np.sqrt(((points[:, None] - points[None]) ** 2).sum(2)).max()
        )
        widths = [(points @ normal).max() - (points @ normal).min() for normal in hull.equations[:, :2]]
        assert hulls.feret_min[number - 1] == pytest.approx(min(widths))


def test_phases_that_touch_are_different_objects():
    plane = np.zeros((20, 20), np.int32)
    plane[:, 10:] = 1
    plane[5:8, 5:8] = 2
    found = measure_objects(plane, [0, 1, 2], PixelSize())
    assert sorted(zip(found.columns["phase"].tolist(), found.columns["pixels"].tolist(), strict=True)) == [
        (0, 191), (1, 200), (2, 9)]  # fmt: skip
    assert measure_objects(plane, [2], PixelSize()).columns["phase"].tolist() == [2]


def test_corners_join_only_with_eight_neighbours():
    assert measure(np.eye(6), connectivity=8).count == 1
    assert measure(np.eye(6), connectivity=4).count == 6


def test_small_and_cut_objects_can_be_left_out():
    plane = np.zeros((30, 30), np.int32)
    plane[0:4, 3:9] = plane[10:14, 10:14] = plane[20, 20] = plane[25:28, 22:25] = 1
    plane[25:28, 25] = -1
    assert measure(plane).columns["touches_border"].tolist() == [True, False, False, True]
    found = measure(plane, min_size=2, exclude_edges=True)
    assert found.columns["pixels"].tolist() == [16]
    assert found.numbers.max() == 1


def test_objects_begin_where_no_edge_above_or_left_cuts_them():
    plane = np.zeros((20, 20), np.int32)
    plane[0:3, 8:12] = plane[8:12, 0:3] = plane[17:, 8:12] = plane[8:12, 17:] = plane[9, 9] = 1
    assert measure(plane).begun.tolist() == [0, 3]
    found = measure(plane, exclude_edges=True, min_size=2)
    assert (found.count, found.begun.tolist()) == (0, [0, 2])
    plane[8:12, 7] = plane[8:12, 13] = -1  # beside it, and beyond
    plane[9, 8] = 1
    assert measure(plane).begun.tolist() == [0, 2]
    assert measure(np.zeros((4, 4))).begun.tolist() == [0, 0]


@pytest.mark.parametrize("exclude_edges", [False, True])
def test_the_number_per_area_is_that_of_the_material(exclude_edges):
    # Discs of two sizes around the points of a lattice, which is shifted at random: they never touch.
    rng = np.random.default_rng(0)
    pitch, shape = 50, (130, 170)
    y, x = np.mgrid[: shape[0], : shape[1]]
    planes = []
    for _ in range(60):
        plane = np.zeros(shape, np.uint8)
        down, right = rng.uniform(0, pitch, 2)
        for centre in np.ndindex(5, 6):
            radius, jitter = rng.choice([6, 16]), rng.uniform(-6, 6, 2)
            cy, cx = (np.array(centre) - 1) * pitch + (down, right) + jitter
            plane[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = 1
        planes.append(plane)
    options = MeasureOptions(bootstrap=0, objects_of="1", exclude_edges=exclude_edges, interfaces=False)
    sizes = measure_phases(np.stack(planes), options=options).sizes
    # Of all that are seen 1.31 times as many, of those seen whole 0.70 times.
    assert sizes["number_per_px2"][0] * pitch**2 == pytest.approx(1, abs=0.03)


def test_intensities_that_are_not_finite_do_not_count():
    mask = np.zeros((6, 6))
    mask[1:3, 1:3] = mask[4:, 4:] = 1
    image = np.full((6, 6), np.nan)
    image[1, 1:3] = 3, 5
    columns = measure(mask, image=image).columns
    assert columns["mean_intensity"][0] == 4
    assert columns["std_intensity"][0] == 1
    assert np.isnan(columns["mean_intensity"][1])


def test_no_objects():
    found = measure(np.zeros((5, 7)), image=np.zeros((5, 7)))
    assert found.count == 0
    assert all(len(column) == 0 for column in found.columns.values())


def test_histograms_count_all_objects_and_their_area():
    diameters = np.random.default_rng(0).lognormal(3, 0.5, 500)
    for scale in ("log", "linear"):
        table = size_histogram(diameters, scale=scale)
        assert table.objects.sum() == 500
        assert table.area_cumulative.iloc[-1] == pytest.approx(1)
        assert (table.low[1:].to_numpy() == table.high[:-1].to_numpy()).all()
        inside = (diameters >= table.low[3]) & (diameters < table.high[3])
        assert table.objects[3] == inside.sum()
        assert table.area_share[3] == pytest.approx((diameters[inside] ** 2).sum() / (diameters**2).sum())
    assert len(size_histogram(diameters, bins=7)) == 7
    assert size_histogram([4.0, 4.0]).objects.sum() == 2
    assert size_histogram([]).empty
    with pytest.raises(InputError, match="positive"):
        size_histogram([1, 0])


def test_quantiles_by_area_lean_to_the_large():
    values, weights = np.array([1.0, 2.0, 10.0]), np.array([1.0, 1.0, 98.0])
    assert weighted_quantiles(values, np.ones(3), (0.5,))[0] == 2
    assert weighted_quantiles(values, weights, (0.5,))[0] > 9
