from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.maps import PropertyOptions, cluster_micrographs, cluster_table, predict_property
from napari_visualccc.maps.smoothers import (
    PENALTIES,
    folds_of,
    knn_predictions,
    r_squared,
    ridge_predictions,
    ridge_weights,
)

FEW = PropertyOptions(permutations=199)


def with_columns(made, **columns):
    return replace(made, table=made.table.assign(**columns))


def test_what_the_look_tells_is_predicted_and_what_is_shuffled_is_not(made):
    found = predict_property(made, "width", FEW)
    assert found.spearman > 0.8
    assert found.p_value < 0.01
    assert found.groups == 8
    assert found.group_column == "specimen"
    assert found.acquisition_r2 < found.ridge_r2
    p_values = [
        predict_property(
            with_columns(made, s=np.random.default_rng(seed).permutation(np.arange(24.0))), "s", FEW
        ).p_value
        for seed in range(8)
    ]
    assert np.median(p_values) > 0.15


def test_a_property_of_the_specimen_is_said_to_be_one(made):
    numbers = np.repeat(np.random.default_rng(0).normal(size=8), 3)
    found = predict_property(with_columns(made, s=numbers), "s", FEW)
    assert found.group_r2 > 0.99
    assert any("may be the specimen" in note for note in found.notes)
    assert found.p_value > 0.05
    alone = predict_property(with_columns(made, s=numbers), "s", PropertyOptions(group="none", permutations=0))
    assert alone.groups == 24
    assert np.isnan(alone.p_value)
    assert any("no group is known" in note for note in alone.notes)


def test_no_group_is_in_training_and_test(made):
    groups = np.repeat(np.arange(9), [5, 1, 1, 8, 2, 2, 2, 4, 3])
    folds = folds_of(groups, 4)
    assert all(len(set(folds[groups == group])) == 1 for group in range(9))
    assert np.bincount(folds).max() <= 8
    # Were the group seen, a copy would be predicted exactly.
    X = np.random.default_rng(0).normal(size=(28, 3))
    X = X[groups * 0 + np.arange(28)]
    y = groups[:, None].astype(float)
    assert (knn_predictions(X, y, groups, 4, 1) != y).all()


def test_ridge_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge

    generator = np.random.default_rng(0)
    X, groups = generator.normal(size=(60, 5)), np.arange(60) // 3
    Y = np.column_stack([X @ [1, 2, 0, 0, -1] + generator.normal(size=60), generator.normal(size=60)])
    predicted = ridge_predictions(X, Y, groups, 5)
    folds = folds_of(groups, 5)
    for fold in range(5):
        test = folds == fold
        centred = X[~test] - X[~test].mean(axis=0)
        size = (centred**2).sum() / 5
        for column in range(2):
            candidates = [Ridge(p * size).fit(X[~test], Y[~test, column]).predict(X[test]) for p in PENALTIES]
            assert min(np.abs(c - predicted[test, column]).max() for c in candidates) < 1e-8
    alone = ridge_predictions(X, Y[:, 1:], groups, 5)
    np.testing.assert_allclose(alone, predicted[:, 1:])
    weights, constant = ridge_weights(X, Y[:, 0], 0.1)
    centred = X - X.mean(axis=0)
    theirs = Ridge(0.1 * (centred**2).sum() / 5).fit(X, Y[:, 0])
    np.testing.assert_allclose(weights, theirs.coef_)
    assert constant == pytest.approx(theirs.intercept_)


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import r2_score

    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 9, (40, 3)).astype(float), generator.normal(size=(40, 3))
    for column in range(3):
        assert r_squared(a, b)[column] == pytest.approx(r2_score(a[:, column], b[:, column]))


def test_copies_of_a_picture_are_one_group(made):
    entries = made.entries.assign(hash=["same"] * 6 + made.entries["hash"].tolist()[6:])
    found = predict_property(replace(made, entries=entries), "width", PropertyOptions(group="none", permutations=0))
    assert found.groups == 19


def test_holes_and_texts_are_left_out_and_listed(made):
    texts = made.table["width"].astype(str).tolist()
    texts[3], texts[7], texts[9] = "not measured", "", None
    found = predict_property(with_columns(made, width=texts), "width", FEW)
    assert found.n == 21
    assert found.strange == ("", "not measured")
    assert found.table["row"].tolist() == [n for n in range(24) if n not in (3, 7, 9)]


@pytest.mark.parametrize(("column", "said"), [
    ({"s": ["x"] * 24}, "no numbers"),
    ({"s": [1.0] * 24}, "everywhere"),
    ({"s": [1, 2] + [None] * 22}, "has 2 numbers"),
])  # fmt: skip
def test_properties_that_say_nothing(made, column, said):
    with pytest.raises(OptionError, match=said):
        predict_property(with_columns(made, **column), "s", FEW)


def test_wrong_columns_and_groups(made):
    with pytest.raises(OptionError, match="there is no column 'depth'; there are: width, specimen, kind"):
        predict_property(made, "depth")
    with pytest.raises(OptionError, match="to group by"):
        predict_property(made, "width", PropertyOptions(group="depth"))
    with pytest.raises(OptionError, match="all micrographs are of one group"):
        predict_property(with_columns(made, one=["a"] * 24), "width", PropertyOptions(group="one"))
    with pytest.raises(Cancelled):
        predict_property(made, "width", progress=Progress(is_cancelled=lambda: True))


def test_clusters_have_means_with_intervals_over_specimens(made):
    labels = cluster_micrographs(made, 3)
    assert sorted(set(labels)) == [1, 2, 3]
    assert np.all(np.diff(np.bincount(labels)[1:]) <= 0)
    table = cluster_table(made, labels, "width")
    assert table["n"].sum() == 24
    for row in table.itertuples():
        inside = made.table[labels == row.cluster]
        means = inside.groupby("specimen")["width"].mean()
        assert row.groups == len(means)
        assert row.mean == pytest.approx(means.mean())
        if len(means) > 1:
            low, high = student.interval(0.95, len(means) - 1, means.mean(), means.sem())
            assert (row.low, row.high) == pytest.approx((low, high))
    assert len(set(cluster_micrographs(made))) >= 2
    with pytest.raises(OptionError, match="more than"):
        cluster_micrographs(made, 25)
    assert isinstance(table, pd.DataFrame)
