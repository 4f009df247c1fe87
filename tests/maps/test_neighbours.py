import numpy as np
import pytest

from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.maps import neighbours
from napari_visualccc.maps.neighbours import nearest_neighbours


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32) + 1000


@pytest.mark.parametrize("block", [17, 100, 4096])
def test_they_are_those_of_scikit_learn(points, block, monkeypatch):
    from sklearn.neighbors import NearestNeighbors

    monkeypatch.setattr(neighbours, "_BLOCK", block)
    distances, indices = NearestNeighbors(n_neighbors=9).fit(points.astype(float)).kneighbors()
    found = nearest_neighbours(points, 9)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-3)
    queries = nearest_neighbours(points, 3, queries=points[:5])
    np.testing.assert_array_equal(queries.indices[:, 0], range(5))
    np.testing.assert_array_equal(queries.indices[:, 1:], indices[:5, :2])


def test_few_and_equal_points(points):
    assert nearest_neighbours(points[:1], 5).indices.shape == (1, 0)
    assert nearest_neighbours(points[:3], 5).indices.shape == (3, 2)
    same = nearest_neighbours(np.ones((40, 3), np.float32), 5)
    assert (same.distances == 0).all()
    assert all(row not in found for row, found in enumerate(same.indices.tolist()))


def test_it_can_be_cancelled(points):
    with pytest.raises(Cancelled):
        nearest_neighbours(points, 5, progress=Progress(is_cancelled=lambda: True))
