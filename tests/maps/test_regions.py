from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.io import read
from napari_visualccc.maps import driving_regions, fit_regressor
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.micrographs import Micrograph
from napari_visualccc.models.nn import contributions as module
from napari_visualccc.models.nn.contributions import contributions
from napari_visualccc.models.nn.embedding import Embedder


@pytest.fixture(scope="module")
def embedder():
    return Embedder(device="cpu")


def plane_of(made, row):
    return Micrograph(read(Path(made.entries["path"].iloc[row]))[0].planes)


def test_contributions_add_up_to_the_prediction(made, embedder):
    regressor = fit_regressor(made, "width")
    predicted = made.vectors.astype(float) @ regressor.weights + regressor.constant
    assert np.corrcoef(predicted, made.table["width"])[0, 1] > 0.95
    found = driving_regions(made, "width", plane_of(made, 5), embedder, regressor=regressor)
    assert found.heatmap.shape == (96, 96)
    assert found.prediction == pytest.approx(predicted[5], abs=0.02)
    assert found.heatmap.mean() + regressor.mean == pytest.approx(found.prediction, abs=0.05)


def test_the_heatmap_points_at_what_looks_like_high_values(made, embedder):
    fine = plane_of(made, 1).planes.plane(0)
    coarse = plane_of(made, 22).planes.plane(0)
    both = Planes(np.concatenate([fine, coarse], axis=1))
    found = driving_regions(made, "width", Micrograph(both), embedder)
    assert found.heatmap[:, 96:].mean() > found.heatmap[:, :96].mean()


def test_tiles_and_masks(embedder, monkeypatch):
    plane = np.random.default_rng(0).random((150, 130), np.float32)
    weights = np.random.default_rng(1).normal(size=embedder.dimensions).astype(np.float32)
    whole, vector = contributions(embedder, Micrograph(Planes(plane)), weights, Progress())
    np.testing.assert_allclose(vector, embedder.embed(plane)[0], rtol=1e-3, atol=1e-3)
    assert whole.mean() == pytest.approx(float(vector @ weights), rel=0.02)
    monkeypatch.setattr(module, "_WHOLE", 0)
    monkeypatch.setattr(module, "_SIDE", 64)
    tiled, _ = contributions(embedder, Micrograph(Planes(plane)), weights, Progress())
    assert np.isfinite(tiled).all()
    assert tiled.shape == plane.shape
    mask = np.zeros(plane.shape, bool)
    mask[:20] = True
    masked, _ = contributions(embedder, Micrograph(Planes(plane), mask=mask), weights, Progress())
    assert np.isnan(masked[:20]).all()
    assert np.isfinite(masked[20:]).all()


def test_what_is_written_into_a_picture_does_not_drive_it(made, embedder):
    plane = plane_of(made, 5).planes.plane(0)
    low, high = float(plane.min()), float(plane.max())
    plane[80:83, 40:90] = high + (high - low)
    found, plain = (
        driving_regions(replace(made, options=replace(made.options, marks=marks)), "width", Micrograph(Planes(plane)),
                        embedder) for marks in (True, False)
    )  # fmt: skip
    assert np.isnan(found.heatmap[80:83, 40:90]).all()
    assert np.isfinite(plain.heatmap).all()


def test_another_encoder_is_refused(made):
    other = Embedder(EmbeddingOptions(weights="random"), "cpu")
    with pytest.raises(OptionError, match="other weights"):
        driving_regions(made, "width", plane_of(made, 0), other)
