import numpy as np
import pytest

from napari_visualccc.cluster import ClusterOptions, choose_k

RNG = np.random.default_rng(0)
FOUR = RNG.choice([20, 80, 140, 220], (100, 100)) + RNG.normal(0, 5, (100, 100))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("features", [("intensity",), ("intensity", "position")])
def test_the_number_of_levels_is_found(dtype, features):
    curve = choose_k(np.clip(FOUR, 0, 255).astype(dtype), ClusterOptions(features=features, position_weight=0.0))
    assert curve.best == 4
    assert (np.diff(curve.inertia) < 1e-6).all()
    assert np.isnan(curve.silhouette[0])
    assert curve.table.columns.tolist() == ["k", "inertia", "silhouette"]


def test_inertia_is_the_variance_for_one_cluster():
    image = np.clip(FOUR, 0, 255).astype(np.uint8)
    assert choose_k(image).inertia[0] == pytest.approx(image.var())


def test_a_constant_image_has_one_cluster():
    curve = choose_k(np.full((30, 30), 9, np.uint8))
    assert curve.k.tolist() == [1]
    assert curve.best == 1
    assert choose_k(np.full((30, 30), 9.0), ClusterOptions(features=("gaussian",))).best == 1
