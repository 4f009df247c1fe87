import numpy as np
import pytest
from skimage.feature import hessian_matrix_eigvals

from napari_visualccc.cluster.features import GROUPS, FeatureSet
from napari_visualccc.core.tiles import tile_plane

PLANE = np.random.default_rng(0).normal(100, 20, (90, 70)).astype(np.float32)
Y, X = np.mgrid[:64, :64].astype(np.float32)


@pytest.mark.parametrize("group", GROUPS)
def test_tiles_with_halo_give_the_values_of_the_whole_plane(group):
    features = FeatureSet((group,), (1.0, 2.5), (40, 160))
    whole = features.compute(PLANE)
    assert len(whole) == len(features.names) == len(features.group_sizes)
    for tile in tile_plane(PLANE.shape, 32, features.halo):
        origin = (tile.outer[0].start, tile.outer[1].start)
        part = features.compute(PLANE[tile.outer], origin=origin, shape=PLANE.shape)
        np.testing.assert_allclose(part[(slice(None), *tile.inner)], whole[(slice(None), *tile.core)], atol=2e-4)


def inside(values):
    return values[20:-20, 20:-20]


def test_gradient_of_a_ramp_is_its_slope_times_the_scale():
    ramp = 3 * Y - 4 * X
    for scale, made in zip((1.0, 2.0), FeatureSet(("gradient",), (1.0, 2.0)).compute(ramp), strict=True):
        np.testing.assert_allclose(inside(made), 5 * scale, rtol=1e-4)


def test_hessian_of_a_parabola():
    bowl = 2 * (Y - 32) ** 2 - 0.5 * (X - 32) ** 2
    large, small = FeatureSet(("hessian",), (2.0,)).compute(bowl)
    np.testing.assert_allclose(inside(large), 4 * 4, rtol=1e-3)
    np.testing.assert_allclose(inside(small), -1 * 4, rtol=1e-3)


def test_hessian_follows_scikit_image():
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(PLANE, 6).astype(np.float32)
    ours = FeatureSet(("hessian",), (2.0,)).compute(smooth)
    gaussian = ndimage.gaussian_filter(smooth, 2, truncate=3.0)
    parts = [np.gradient(np.gradient(gaussian, axis=a), axis=b) for a, b in ((0, 0), (0, 1), (1, 1))]
    theirs = hessian_matrix_eigvals(parts) * 4
    np.testing.assert_allclose(inside(ours[0]), inside(theirs[0]), atol=2e-3)


def test_structure_tensor_of_stripes_is_one_sided():
    stripes = 10 * np.sin(X / 3)
    across, along = FeatureSet(("structure",), (1.0,)).compute(stripes)
    assert inside(across).min() > 1
    assert inside(along).max() < 0.01


def test_local_mean_and_deviation():
    mean, deviation = FeatureSet(("local",), (2.0,)).compute(PLANE + 1e4)
    window = PLANE[30 - 4 : 30 + 5, 40 - 4 : 40 + 5].astype(float) + 1e4
    assert mean[30, 40] == pytest.approx(window.mean(), rel=1e-6)
    assert deviation[30, 40] == pytest.approx(window.std(), rel=1e-3)


def test_entropy_counts_bits():
    checker = ((Y + X) % 2).astype(np.float32)
    entropy = FeatureSet(("entropy",), (2.0,), (0, 1)).compute(checker)[0]
    np.testing.assert_allclose(inside(entropy), 1.0, atol=0.01)
    flat = FeatureSet(("entropy",), (2.0,), (0, 1)).compute(np.full((20, 20), 0.3, np.float32))
    np.testing.assert_allclose(flat, 0, atol=1e-3)


@pytest.mark.parametrize("group", GROUPS)
def test_one_pixel_and_constant_planes_are_finite(group):
    features = FeatureSet((group,), (1.0, 4.0), (5, 5))
    assert np.isfinite(features.compute(np.full((1, 1), 5, np.float32))).all()
    assert np.isfinite(features.compute(np.full((3, 40), 5, np.float32))).all()


@pytest.mark.parametrize("group", ["network", "lattice"])
def test_what_is_seen_lies_on_one_grid_in_all_tiles(group):
    plane = np.random.default_rng(1).normal(100, 20, (420, 700)).astype(np.float32)
    plane[:, 300:] += 60
    features = FeatureSet((group,), grey=(120.0, 40.0))
    assert features.halo % 16 == 0
    assert FeatureSet((group, "structure"), (40.0,)).halo % 16 == 0
    whole = features.compute(plane)
    scale = whole.std(axis=(1, 2), keepdims=True) + 1e-3
    off = []
    for tile in tile_plane(plane.shape, 256, features.halo):
        part = features.compute(plane[tile.outer])
        off.append(np.abs((part[(slice(None), *tile.inner)] - whole[(slice(None), *tile.core)]) / scale).ravel())
    # Spectra need no more than the halo; what a network sees there depends on yet wider surroundings, if only a little.
    assert np.percentile(np.concatenate(off), 90) < (0.3 if group == "network" else 0.02)


def test_their_numbers_are_known_before_a_network_is_loaded():
    from napari_visualccc.models.nn.context import shipped_context
    from napari_visualccc.models.nn.spectra import CHANNELS

    assert len(GROUPS["network"]) == shipped_context().channels
    assert len(GROUPS["lattice"]) == CHANNELS
