import numpy as np
import pytest

from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.maps import MapOptions, judge, place, project
from napari_visualccc.maps.neighbours import nearest_neighbours
from napari_visualccc.maps.scaling import Scaling, principal_axes
from napari_visualccc.maps.umap import curve, fuzzy_graph, memberships


@pytest.fixture(scope="module")
def blobs():
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(4, 20)) * 6
    return (centres[np.arange(160) % 4] + generator.normal(size=(160, 20))).astype(np.float32)


def test_umap_keeps_groups_apart_and_is_the_same_every_time(blobs):
    first, again = project(blobs, MapOptions()), project(blobs, MapOptions())
    np.testing.assert_array_equal(first, again)
    near = nearest_neighbours(first, 10).indices
    assert (near % 4 == np.arange(160)[:, None] % 4).mean() > 0.99
    assert judge(blobs, first).trustworthiness > 0.9
    assert not np.array_equal(first, project(blobs, MapOptions(seed=1)))


def test_sureness_of_neighbours_is_as_in_the_paper(blobs):
    near = nearest_neighbours(blobs, 14)
    weights = memberships(near.distances)
    np.testing.assert_allclose(weights.sum(axis=1), np.log2(15), rtol=1e-3)
    np.testing.assert_allclose(weights[:, 0], 1)
    graph = fuzzy_graph(near, len(blobs)).toarray()
    np.testing.assert_allclose(graph, graph.T)
    assert graph.max() <= 1
    a, b = curve(0.1)
    assert (a, b) == pytest.approx((1.577, 0.895), abs=0.01)  # published for min_dist 0.1


@pytest.mark.parametrize("method", ["umap", "pca", "tsne"])
def test_new_points_land_among_their_kind_and_nobody_moves(blobs, method):
    options = MapOptions(method=method)
    coordinates = project(blobs[:120], options)
    before = coordinates.copy()
    placed = place(blobs[120:], blobs[:120], coordinates, options)
    np.testing.assert_array_equal(coordinates, before)
    near = nearest_neighbours(coordinates, 5, queries=placed).indices
    assert (near % 4 == np.arange(120, 160)[:, None] % 4).mean() > (0.9 if method != "pca" else 0.6)
    np.testing.assert_allclose(place(blobs[:3], blobs[:120], coordinates, options), coordinates[:3], atol=1e-3)


def test_principal_components_are_those_of_an_svd(blobs):
    centred = blobs - blobs.mean(axis=0)
    for values in (centred, centred[:10] - centred[:10].mean(axis=0)):
        axes, shares = principal_axes(values, 3)
        singular = np.linalg.svd(values, compute_uv=False)
        np.testing.assert_allclose(shares, singular[:3] ** 2 / (singular**2).sum(), rtol=1e-4)
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)


def test_quality_is_that_of_scikit_learn(blobs):
    from sklearn.manifold import trustworthiness

    flat = blobs[:, :2].copy()
    found = judge(blobs, flat)
    assert found.trustworthiness == pytest.approx(trustworthiness(blobs, flat, n_neighbors=15), abs=1e-6)
    a, b = (nearest_neighbours(one, 15).indices.tolist() for one in (blobs, flat))
    assert found.preservation == pytest.approx(np.mean([len({*p} & {*q}) / 15 for p, q in zip(a, b, strict=True)]))


@pytest.mark.parametrize("method", ["umap", "pca", "tsne"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
def test_few_and_identical_points(method, count):
    options = MapOptions(method=method)
    generator = np.random.default_rng(0)
    for points in (generator.normal(size=(count, 6)), np.ones((count, 6))):
        scaled = Scaling.of(points.astype(np.float32)).apply(points.astype(np.float32))
        assert np.isfinite(scaled).all()
        coordinates = project(scaled, options)
        assert coordinates.shape == (count, 2)
        assert np.isfinite(coordinates).all()
        judge(scaled, coordinates)


def test_layout_can_be_cancelled(blobs):
    answers = iter([False] * 20 + [True] * 9)
    with pytest.raises(Cancelled):
        project(blobs, MapOptions(), Progress(is_cancelled=lambda: next(answers)))
