import numpy as np
import pytest
from scipy import ndimage

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.processing import Pipeline, apply

SIZE = PixelSize(0.5, 0.25, "nm")
# Where the sample is in each plane.
PATH = np.array([[0, 0], [1.3, -2.6], [3.0, -4.0], [-2.5, -7.7], [-5.2, 3.4]])


@pytest.fixture(scope="module")
def drifting():
    """A view that moves over a larger sample, with fresh noise in each plane."""
    rng = np.random.default_rng(3)
    sample = ndimage.gaussian_filter(rng.normal(size=(260, 300)), 2) * 40
    planes = [ndimage.shift(sample, move, order=3)[30:-30, 30:-30] for move in PATH]
    return np.stack(planes) + rng.normal(0, 1, (len(PATH), 200, 240)) + 100


@pytest.mark.parametrize("reference", ["previous", "first"])
def test_drift_is_found_to_a_tenth_of_a_pixel_and_told_in_nm(drifting, reference):
    result = apply(Pipeline.parse([f"align:reference={reference}"]), drifting, pixel_size=SIZE)
    np.testing.assert_allclose(result.drift.shifts, PATH, atol=0.1)
    table = result.tables["drift"]
    assert list(table["plane"]) == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(table["drift_y_nm"], result.drift.shifts[:, 0] * 0.5)
    np.testing.assert_allclose(table["drift_x_nm"], result.drift.shifts[:, 1] * 0.25)
    assert table["step_nm"][1] == pytest.approx(np.hypot(1.3 * 0.5, 2.6 * 0.25), abs=0.1)


@pytest.mark.parametrize("options", ["", ",subpixel=no", ",outside=crop"])
def test_planes_lie_over_each_other(run, drifting, options):
    out = run(drifting, f"align:reference=first{options}")
    first = out[0]
    for plane in out[1:]:
        both = np.isfinite(first) & np.isfinite(plane)
        assert both.mean() > 0.85
        smooth = [ndimage.gaussian_filter(np.where(both, p, 100), 1)[10:-10, 10:-10] for p in (first, plane)]
        assert np.corrcoef(smooth[0].ravel(), smooth[1].ravel())[0, 1] > 0.95
    if "crop" in options:
        assert np.isfinite(out).all()


def test_whole_pixels_stay_as_they_are(run, drifting):
    whole = np.rint(drifting)
    out = run(whole, "align:subpixel=no")
    for plane in out:
        values = plane[np.isfinite(plane)]
        np.testing.assert_array_equal(values, np.rint(values))


def test_cropping_says_where_it_begins(drifting):
    frame = apply(Pipeline.parse(["align:outside=crop"]), drifting, pixel_size=SIZE).frame
    assert frame.origin == (6, 8)
    assert frame.shape == (200 - 6 - 3, 240 - 8 - 4)


def test_drift_after_binning_is_in_the_unit_of_the_sample(drifting):
    table = apply(Pipeline.parse(["bin", "align"]), drifting, pixel_size=SIZE).tables["drift"]
    np.testing.assert_allclose(table["drift_y_nm"], PATH[:, 0] * 0.5, atol=0.15)
    np.testing.assert_allclose(table["drift_x_nm"], PATH[:, 1] * 0.25, atol=0.1)


def test_later_steps_and_labels_follow(run, drifting):
    labels = run(drifting, "gaussian", "otsu", "align")
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1}
    assert apply(Pipeline.parse(["align", "gaussian"]), drifting).drift is not None


def test_one_plane_and_constant_planes_stay(run):
    flat = np.full((3, 20, 20), 5.0)
    np.testing.assert_array_equal(run(flat, "align"), flat)
    np.testing.assert_array_equal(run(flat[0], "align"), flat[0])


def test_cancelling_and_impossible_crops(drifting):
    calls = []
    with pytest.raises(Cancelled):
        apply(Pipeline.parse(["align"]), drifting,
              progress=Progress(lambda f, _: calls.append(f), lambda: len(calls) > 2))  # fmt: skip
    y, x = np.mgrid[:64, :64]
    far = np.stack([np.exp(-((y - 32) ** 2 + (x - c) ** 2) / 30) for c in (4, 60, 4, 60)])
    with pytest.raises(OptionError, match="Align stack"):
        apply(Pipeline.parse(["align:outside=crop"]), np.roll(far, (0, 5), (0, 1))[:, :3])
