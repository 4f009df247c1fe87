import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.processing import Pipeline, apply
from napari_visualccc.processing.glcm import PROPERTIES, glcm_maps, offsets_of
from napari_visualccc.processing.texture import quantise


def by_the_book(levels, count, window, distances, angles, pixel):
    """Mean over offsets of scikit-image's properties of the window around a pixel, as far as the image reaches."""
    (y, x), (h, w) = pixel, (window[0] // 2, window[1] // 2)
    part = levels[max(y - h, 0) : y + h + 1, max(x - w, 0) : x + w + 1].astype(np.uint8)
    matrix = graycomatrix(part, distances, np.deg2rad(angles), count, symmetric=True, normed=True)
    holds = matrix.sum(axis=(0, 1)) > 0
    return {name: graycoprops(matrix, name)[holds].mean() for name in PROPERTIES}


@pytest.mark.parametrize(
    ("count", "window", "distances", "angles"),
    [
        (2, (5, 5), [1], [0]),
        (8, (7, 5), [1, 2], [0, 45, 90, 135]),
        (32, (21, 21), [1], [0, 90]),
        (256, (5, 9), [3], [135, 300]),
        (5, (3, 3), [1], [45]),
    ],
)
def test_equal_to_scikit_image_at_every_kind_of_pixel(rng, count, window, distances, angles):
    levels = rng.integers(0, count, (31, 37))
    levels[10:20, 10:20] = 1  # flat windows too
    maps = glcm_maps(levels, count=count, window=window, offsets=offsets_of(distances, angles))
    pixels = [(0, 0), (0, 36), (30, 0), (30, 36), (15, 15), (14, 16), *rng.integers(0, 31, (25, 2)).tolist()]
    for pixel in pixels:
        for name, value in by_the_book(levels, count, window, distances, angles, pixel).items():
            assert maps[name][tuple(pixel)] == pytest.approx(value, abs=1e-9), (name, pixel)


def test_long_runs_keep_their_last_digits(rng):
    levels = rng.integers(0, 4, (9, 3000))
    maps = glcm_maps(levels, ["energy", "entropy"], count=4, window=(9, 9))
    want = by_the_book(levels, 4, (9, 9), [1], [0], (4, 2990))
    assert maps["energy"][4, 2990] == pytest.approx(want["energy"], abs=1e-10)
    assert maps["entropy"][4, 2990] == pytest.approx(want["entropy"], abs=1e-10)


def test_a_chessboard_in_closed_form():
    board = np.indices((12, 12)).sum(axis=0) % 2
    maps = glcm_maps(board, count=2, window=(5, 5), offsets=[(0, 1)])
    inner = {name: values[5, 5] for name, values in maps.items()}
    assert inner["contrast"] == 1
    assert inner["dissimilarity"] == 1
    assert inner["homogeneity"] == 0.5
    assert inner["correlation"] == pytest.approx(-1)
    assert inner["energy"] == pytest.approx(np.sqrt(0.5))
    assert inner["entropy"] == pytest.approx(np.log(2))


def test_pairs_with_a_missing_pixel_do_not_count(rng):
    levels = rng.integers(0, 4, (9, 9))
    whole = glcm_maps(levels, count=4, window=(5, 5))
    levels[:, 5:] = -1
    holed = glcm_maps(levels, count=4, window=(5, 5))
    left = glcm_maps(levels[:, :5], count=4, window=(5, 5))
    for name in PROPERTIES:
        np.testing.assert_allclose(holed[name][:, :5], left[name])
        assert np.isnan(holed[name][4, 8])
        np.testing.assert_allclose(holed[name][:, :2], whole[name][:, :2])


def test_windows_without_pairs_are_empty():
    one = glcm_maps(np.zeros((1, 1), int), count=2, window=(3, 3))
    assert all(np.isnan(values).all() for values in one.values())
    far = glcm_maps(np.zeros((4, 4), int), count=2, window=(3, 3), offsets=[(0, 3)])
    assert all(np.isnan(values).all() for values in far.values())


def test_offsets():
    assert offsets_of([1, 2], [0, 180, 90]) == [(0, 1), (0, -1), (1, 0), (0, 2), (0, -2), (2, 0)]


def test_cancelling(rng):
    calls = []
    with pytest.raises(Cancelled):
        glcm_maps(
            rng.integers(0, 9, (50, 500)), count=9,
            progress=Progress(lambda f, _: calls.append(f), lambda: len(calls) > 3),
        )  # fmt: skip


def test_levels():
    values = np.array([0.0, 0.49, 0.5, 0.99, 1.0, np.nan, -5, 7])
    assert quantise(values, 2, (0.0, 1.0)).tolist() == [0, 0, 1, 1, 1, -1, 0, 1]
    assert quantise(values, 2, (3.0, 3.0))[:2].tolist() == [0, 0]


def test_as_a_step(run, rng):
    image = rng.integers(0, 8, (40, 50)).astype(np.uint8)
    found = run(image, "glcm:property=entropy,levels=8,window=7px,distances=1,2,angles=0,90")
    want = by_the_book(image, 8, (7, 7), [1, 2], [0, 90], (20, 25))["entropy"]
    assert found[20, 25] == pytest.approx(want, rel=1e-6)


def test_all_properties_are_six_lazy_layers(rng):
    image = rng.integers(0, 9, (30, 30)).astype(np.uint8)
    result = apply(Pipeline.parse(["bin", "glcm:property=all,window=10nm"]), image, pixel_size=PixelSize(1, 1, "nm"))
    assert [layer.title for layer in result.layers] == [f"processed {name}" for name in PROPERTIES]
    assert all(layer.data.shape == (15, 15) for layer in result.layers)
    with pytest.raises(OptionError, match="only the last"):
        apply(Pipeline.parse(["glcm:property=all", "gaussian"]), image).images["processed"].compute()


def test_a_window_without_a_pair_is_said_at_once():
    with pytest.raises(OptionError, match="no pair at distance 9"):
        apply(Pipeline.parse(["glcm:window=5px,distances=9"]), np.zeros((30, 30)))
