from itertools import combinations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from napari_visualccc.cluster.kmeans import assign, exact_1d, fit
from napari_visualccc.core.progress import Cancelled, Progress


def brute_force(values, weights, k):
    """Least inertia over all partitions into k runs."""

    def cost(a, b):
        mean = np.average(values[a:b], weights=weights[a:b])
        return (weights[a:b] * (values[a:b] - mean) ** 2).sum()

    n = len(values)
    return min(
        sum(cost(a, b) for a, b in zip((0, *cut), (*cut, n), strict=True)) for cut in combinations(range(1, n), k - 1)
    )


@pytest.mark.parametrize("seed", range(30))
def test_exact_1d_is_the_optimum_of_all_partitions(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 11))
    values = np.sort(rng.choice(60, n, replace=False)).astype(float)
    weights = rng.integers(1, 6, n)
    best = exact_1d(values, weights, n)
    for k in range(1, n + 1):
        assert best.inertias[k - 1] == pytest.approx(brute_force(values, weights, k), abs=1e-9)


def test_groups_centers_thresholds_and_inertia_agree():
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 100, 4096)
    best = exact_1d(np.arange(4096), counts, 7)
    for k in (1, 3, 7):
        groups = np.searchsorted(best.thresholds(k), np.arange(4096))
        centers = best.centers(k)
        assert (counts * (np.arange(4096) - centers[groups]) ** 2).sum() == pytest.approx(best.inertias[k - 1])
        nearest = np.abs(np.arange(4096)[:, None] - centers).argmin(1)
        assert (nearest == groups).mean() > 0.999


def test_a_large_offset_costs_no_digits():
    values, weights = np.arange(300.0), np.ones(300)
    here, far = exact_1d(values, weights, 4), exact_1d(values + 1e9, weights, 4)
    np.testing.assert_allclose(far.inertias, here.inertias)


def test_more_groups_than_values_gives_one_group_per_value():
    best = exact_1d(np.array([3.0, 8.0]), np.array([1, 1]), 5)
    assert best.inertias.tolist() == [12.5, 0.0]


def test_never_worse_than_ten_runs_of_scikit_learn():
    rng = np.random.default_rng(2)
    image = np.clip(rng.normal(rng.choice([50, 90, 160], 20_000), 15), 0, 255).astype(np.uint8)
    counts = np.bincount(image, minlength=256)
    present = np.flatnonzero(counts)
    peer = KMeans(5, n_init=10, random_state=0).fit(image[:, None].astype(float))
    assert exact_1d(present, counts[present], 5).inertias[-1] <= peer.inertia_ * (1 + 1e-9)


def blobs(n=20_000, features=5, k=4, seed=0):
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, 3, (k, features))
    return (middles[rng.integers(0, k, n)] + rng.normal(size=(n, features))).astype(np.float32)


def test_assign_equals_the_definition():
    points = blobs()
    centers = points[:6]
    given = assign(points, centers)
    distance = ((points[:, None].astype(float) - centers) ** 2).sum(2)
    np.testing.assert_array_equal(given.labels, distance.argmin(1))
    assert given.inertia == pytest.approx(distance.min(1).sum(), rel=1e-5)
    np.testing.assert_array_equal(given.counts, np.bincount(given.labels, minlength=6))
    np.testing.assert_allclose(given.sums[2], points[given.labels == 2].sum(0), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_fit_is_as_good_as_scikit_learn(seed):
    points = blobs(seed=seed)
    ours = assign(points, fit(points, 6, seed=seed).centers).inertia
    assert ours <= 1.001 * KMeans(6, n_init=10, random_state=seed).fit(points).inertia_


def test_fit_is_seeded():
    points = blobs()
    np.testing.assert_array_equal(fit(points, 4, seed=3).centers, fit(points, 4, seed=3).centers)


def test_fewer_distinct_points_than_clusters():
    points = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0]], np.float32), 50, axis=0)
    found = fit(points, 5)
    assert sorted(found.centers.tolist()) == [[0, 0], [1, 1]]
    assert len(fit(np.zeros((1, 3), np.float32), 4).centers) == 1


def test_fit_can_be_cancelled():
    calls = iter([False, False, True])
    with pytest.raises(Cancelled):
        fit(blobs(), 4, progress=Progress(is_cancelled=lambda: next(calls)))
