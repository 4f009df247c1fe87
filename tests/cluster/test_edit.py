import numpy as np
import pytest

from napari_visualccc.cluster import (
    ClusterOptions,
    apply_clusters,
    clean,
    cluster_pixels,
    measure_clusters,
    merge,
    remeasure,
    remove_specks,
    to_mask,
)
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize

IMAGE = np.repeat(np.array([10, 60, 120, 200], np.uint8), 25).reshape(10, 10)
NM = PixelSize(2.0, 2.0, "nm")


def test_merging_adds_areas_and_keeps_the_order():
    result = cluster_pixels(IMAGE, ClusterOptions(k=4), pixel_size=NM)
    merged = merge(result, [2, 4])
    assert merged.table.mean_intensity.tolist() == pytest.approx([10, 120, 130])
    assert merged.table.area_nm2.tolist() == [100, 100, 200]
    np.testing.assert_array_equal(merged.labels[IMAGE == 200], 3)
    np.testing.assert_array_equal(merged.labels[IMAGE == 60], 3)
    assert merged.provenance.parameters["merged"] == [[2, 4]]
    assert result.k == 4


def test_a_merged_model_labels_other_planes_alike():
    merged = merge(cluster_pixels(IMAGE, ClusterOptions(k=4)), [1, 2])
    np.testing.assert_array_equal(apply_clusters(merged.model, IMAGE).labels, merged.labels)
    again = merge(merged, [1, 3])
    np.testing.assert_array_equal(apply_clusters(again.model, IMAGE.astype(float)).labels, again.labels)


@pytest.mark.parametrize("labels", [[2], [0, 1], [1, 9], []])
def test_merging_nonsense_is_refused(labels):
    with pytest.raises(OptionError, match="at least two"):
        merge(cluster_pixels(IMAGE, ClusterOptions(k=4)), labels)


def test_specks_go_to_their_surroundings_and_masked_pixels_stay():
    labels = np.ones((20, 20), np.uint8)
    labels[:, 10:] = 2
    expected = labels.copy()
    labels[4, 4] = 2
    labels[15, 15:17] = 1
    labels[0, 0] = expected[0, 0] = 0
    np.testing.assert_array_equal(remove_specks(labels, 5), expected)
    assert remove_specks(labels[None], 5).shape == (1, 20, 20)


def test_when_all_patches_are_specks_nothing_is_lost():
    labels = np.array([[1, 2], [2, 1]], np.uint8)
    np.testing.assert_array_equal(remove_specks(labels, 100), labels)


def test_cleaning_measures_again():
    image = np.full((30, 30), 50, np.uint8)
    image[:, 15:] = 200
    image[5, 5] = 200
    result = cluster_pixels(image, ClusterOptions(k=2))
    cleaned = clean(result, image, 4)
    assert cleaned.table.pixels.tolist() == [450, 450]
    assert cleaned.table.mean_intensity[0] == pytest.approx((449 * 50 + 200) / 450)


def test_measuring_edited_labels_equals_the_table():
    result = cluster_pixels(IMAGE, ClusterOptions(k=4), pixel_size=NM)
    np.testing.assert_allclose(
        measure_clusters(result.labels, IMAGE, pixel_size=NM).drop(columns="name").to_numpy(float),
        result.table.drop(columns="name").to_numpy(float),
    )
    with pytest.raises(InputError, match="do not fit"):
        measure_clusters(result.labels[:5], IMAGE)


def test_mask_of_several_labels():
    result = cluster_pixels(IMAGE, ClusterOptions(k=4))
    mask = to_mask(result, [1, 3])
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.isin(IMAGE, [10, 120]))


@pytest.mark.parametrize("min_size", [3, 12])
def test_specks_are_the_same_tile_by_tile(monkeypatch, min_size):
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(1, 4, (12, 12)), np.ones((10, 10), int)).astype(np.uint8)
    noise = rng.random(labels.shape) < 0.03
    labels[noise] = rng.integers(1, 4, noise.sum())
    whole = remove_specks(labels, min_size)
    monkeypatch.setattr("napari_visualccc.cluster.edit._SPECK_TILE", 16)
    np.testing.assert_array_equal(remove_specks(labels, min_size), whole)


def test_painted_labels_are_measured_again():
    result = cluster_pixels(IMAGE, ClusterOptions(k=4), pixel_size=NM)
    painted = result.labels.copy()
    painted[painted == 4] = 1
    again = remeasure(result, painted, IMAGE)
    assert again.table.area_nm2.tolist() == [200, 100, 100, 0]
    assert again.table.mean_intensity[0] == pytest.approx((10 + 200) / 2)
    assert again.provenance.parameters["edited"] == "by hand"
