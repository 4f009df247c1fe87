"""Features of the pre-trained network for pixel classifiers."""

import numpy as np
import pytest
import torch

from napari_visualccc.models.nn.context import LEVEL, ready_context, shipped_context
from napari_visualccc.models.nn.pixels import PixelClassifier
from napari_visualccc.models.nn.pyramid import feature_count, pyramid_features, with_features
from napari_visualccc.segment import (
    QuickOptions,
    QuickSegmenter,
    SegmentationModel,
    annotated,
    dataset_of_strokes,
    predict,
)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (130, 90), (256, 256)])
def test_features_lie_on_their_level_of_the_pyramid(shape):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    levels = pyramid_features(image, 4)
    features = ready_context()(image)
    assert features.shape[-2:] == levels[LEVEL].shape[-2:]
    joined = with_features(levels, LEVEL, features)
    assert sum(level.shape[1] for level in joined) == feature_count(4) + shipped_context().channels
    assert PixelClassifier(4, 2, shipped_context()).labels(joined).shape == shape


def test_the_fast_form_gives_what_the_plain_one_gives():
    image = np.random.default_rng(1).normal(size=(192, 192)).astype(np.float32)
    with torch.inference_mode():
        plain = shipped_context()(torch.from_numpy(image)[None, None])
    fast = ready_context()(image).float()
    assert float((plain - fast).abs().mean()) < 0.02 * float(plain.abs().mean())


def strokes_on_halves():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (96, 128)).astype(np.float32)
    image[:, 64:] += 4
    strokes = np.zeros(image.shape, np.uint8)
    strokes[10:14, 5:50], strokes[40:44, 70:120] = 1, 2
    return image, strokes


@pytest.mark.parametrize("context", [True, False])
def test_a_saved_classifier_needs_nothing_else(tmp_path, context):
    image, strokes = strokes_on_halves()
    quick = QuickSegmenter(QuickOptions(context=context))
    item = annotated(image, strokes)
    model = quick.fit(dataset_of_strokes([item])).model
    assert bool(model.card.architecture["context"]) is context
    again = SegmentationModel.load(model.save(tmp_path / "quick.safetensors"))
    np.testing.assert_array_equal(predict(again, image).labels, predict(model, image).labels)
    assert (predict(again, image).labels == quick.labels(item, 0)).mean() > 0.99
    # pre-trained weights are kept in the half precision that they came in
    assert (tmp_path / "quick.safetensors").stat().st_size < 30e6


def test_few_scales_do_without():
    image, strokes = strokes_on_halves()
    model = QuickSegmenter(QuickOptions(levels=2)).fit(dataset_of_strokes([annotated(image, strokes)])).model
    assert model.card.architecture["context"] == ""
