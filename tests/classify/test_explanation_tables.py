"""Thresholds, and how much heat lies on each phase."""

import numpy as np
import pandas as pd
import pytest

from napari_visualccc.classify import ExplainOptions, explain, heat_by_phase, label_heat
from napari_visualccc.core.errors import InputError, OptionError


@pytest.fixture
def explained(spots, spot_image):
    return explain(spots, spot_image(40, 100), ExplainOptions(target="spot", faithfulness=False))


def test_thresholds(explained):
    half = label_heat(explained, 0.5)
    np.testing.assert_array_equal(half.labels, explained.heat > 0.5)
    assert half.table["area_fraction"][0] == pytest.approx((explained.heat > 0.5).mean())
    otsu = label_heat(explained)
    assert 0 < otsu.threshold < 1
    assert otsu.labels[40, 100] == 1
    assert half.layers[0].kind == "labels"
    assert half.layers[0].title == "Grad-CAM spot hot"
    assert half.provenance.parameters["heat"]["operation"] == "explain"
    for wrong in (1.5, "warm"):
        with pytest.raises(OptionError, match="threshold of heat"):
            label_heat(explained, wrong)


def test_heat_by_phase_by_hand():
    heat = np.array([[0.0, 1.0], [3.0, np.nan]], np.float32)
    labels = np.array([[1, 1], [2, 2]])
    table = heat_by_phase(heat, labels, {1: "matrix"})
    expected = pd.DataFrame(
        {
            "label": [1, 2],
            "class": ["matrix", "label 2"],
            "area_fraction": [2 / 3, 1 / 3],
            "heat_fraction": [0.25, 0.75],
            "heat_per_area": [0.375, 2.25],
        }
    )
    pd.testing.assert_frame_equal(table, expected)


def test_heat_by_phase_of_stacks():
    rng = np.random.default_rng(0)
    heat, labels = rng.random((3, 20, 30)).astype(np.float32), rng.integers(0, 4, (3, 20, 30))
    pooled, each = heat_by_phase(heat, labels), heat_by_phase(heat, labels, by_plane=True)
    assert pooled["heat_fraction"].sum() == pytest.approx(1)
    assert each.groupby("plane")["area_fraction"].sum().tolist() == pytest.approx([1, 1, 1])
    assert pooled["area_fraction"][2] == pytest.approx((labels == 2).mean())
    share = heat[1][labels[1] == 3].sum() / heat[1].sum()
    assert each.query("plane == 1 and label == 3")["heat_fraction"].item() == pytest.approx(share, rel=1e-5)
    one = heat_by_phase(heat, labels[0])
    assert one["area_fraction"][0] == pytest.approx((labels[0] == 0).mean())


def test_labels_must_fit():
    heat = np.ones((10, 12), np.float32)
    with pytest.raises(InputError, match="must be the same"):
        heat_by_phase(heat, np.ones((12, 10), int))
    with pytest.raises(InputError, match="whole numbers"):
        heat_by_phase(heat, np.ones((10, 12)))
