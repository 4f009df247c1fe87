import numpy as np
import pytest
from sklearn import metrics

from napari_visualccc.core import scores
from napari_visualccc.core.errors import InputError

RNG = np.random.default_rng(0)
TRUE = RNG.integers(0, 4, 500)
CALLED = np.where(RNG.random(500) < 0.7, TRUE, RNG.integers(0, 4, 500))


def test_equal_to_scikit_learn():
    matrix = scores.confusion_matrix(TRUE, CALLED, 4)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(TRUE, CALLED))
    np.testing.assert_allclose(scores.iou(matrix), metrics.jaccard_score(TRUE, CALLED, average=None))
    np.testing.assert_allclose(scores.dice(matrix), metrics.f1_score(TRUE, CALLED, average=None))
    assert scores.mean_iou(matrix) == pytest.approx(metrics.jaccard_score(TRUE, CALLED, average="macro"))
    assert scores.accuracy(matrix) == pytest.approx(metrics.accuracy_score(TRUE, CALLED))
    assert scores.balanced_accuracy(matrix) == pytest.approx(metrics.balanced_accuracy_score(TRUE, CALLED))
    onehot = [np.eye(4, dtype=int)[labels] for labels in (TRUE, CALLED)]
    assert scores.pooled_iou(matrix) == pytest.approx(metrics.jaccard_score(*onehot, average="micro"))


def test_matrices_of_images_add_up_to_that_of_the_set():
    parts = sum(scores.confusion_matrix(TRUE[i::5], CALLED[i::5], 4) for i in range(5))
    np.testing.assert_array_equal(parts, scores.confusion_matrix(TRUE, CALLED, 4))


def test_a_class_that_never_occurs_is_nan_and_not_counted():
    matrix = scores.confusion_matrix(np.array([0, 1]), np.array([0, 1]), 3)
    assert np.isnan(scores.iou(matrix)[2])
    assert scores.mean_iou(matrix) == 1


def test_ignored_pixels_do_not_count():
    matrix = scores.confusion_matrix(np.array([0, 255, 1]), np.array([0, 1, 1]), 2, ignore=255)
    assert matrix.sum() == 2


def test_wrong_labels_are_named():
    with pytest.raises(InputError, match="shape"):
        scores.confusion_matrix(np.zeros(3, int), np.zeros(4, int), 2)
    with pytest.raises(InputError, match="predicted labels span"):
        scores.confusion_matrix(np.zeros(3, int), np.full(3, 2), 2)


def test_an_empty_matrix_gives_nan_not_a_crash():
    assert np.isnan(scores.accuracy(np.zeros((2, 2), np.int64)))
    assert np.isnan(scores.mean_iou(np.zeros((2, 2), np.int64)))


def test_a_share_of_nothing_is_nan():
    np.testing.assert_array_equal(scores.ratio([1, 0], [[2], [0]]), [[0.5, 0], [np.nan, np.nan]])


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    a, b = RNG.integers(0, 9, (40, 3)).astype(np.float32), RNG.normal(size=(40, 3))
    for column, found in enumerate(scores.rank_correlation(a, b)):
        assert found == pytest.approx(spearmanr(a[:, column], b[:, column]).statistic)
    assert scores.rank_correlation(a[:, 0], b[:, 0]) == pytest.approx(scores.rank_correlation(a, b)[0])
    np.testing.assert_array_equal(scores.rank_correlation(a * 0, b), 0)
    a[3, 1] = np.nan
    assert np.isnan(scores.rank_correlation(a, b)).tolist() == [False, True, False]
