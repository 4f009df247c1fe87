"""Scores of what somebody painted are not scores of the whole area."""

import numpy as np
import pytest

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import silent
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.segment import TrainOptions, annotated, dataset_of_strokes
from napari_visualccc.segment.coverage import is_sparse, labelled_share, measured_on, words_on_painted
from napari_visualccc.segment.preparation import common_pixel_size, planes_of


def test_the_share_counts_pixels_not_planes():
    planes = [np.zeros((10, 10), np.uint8), np.full((10, 20), UNLABELLED, np.uint8)]
    assert labelled_share(planes) == pytest.approx(1 / 3)
    assert labelled_share([]) == 0


def test_a_mask_is_no_stroke():
    dense = np.zeros((10, 10), np.uint8)
    assert not is_sparse(labelled_share([dense]))
    dense[:, :6] = UNLABELLED
    assert is_sparse(labelled_share([dense]))


def test_of_what_models_from_before_were_measured_on_nothing_is_said():
    assert measured_on({"held_out": "whole images"}) == "held-out images"
    assert not words_on_painted({"mean_iou": 0.5})
    assert not words_on_painted({})


def test_full_masks_need_no_caution():
    assert measured_on({"held_out": "validation images", "labelled_share": 0.5}) == "validation images"
    assert measured_on({"held_out": "validation images", "labelled_share": 0.49}) == (
        "the painted pixels of validation images"
    )


def test_a_plane_whose_few_labels_vanish_on_a_coarser_grid_is_not_learnt_from():
    image = np.random.default_rng(0).normal(size=(120, 120))
    labels = np.zeros(image.shape, np.uint8)
    labels[:40], labels[80:] = 1, 2
    speck = np.zeros_like(labels)
    speck[0, 0] = 1
    coarse, fine = PixelSize(4, 4, "nm"), PixelSize(1, 1, "nm")
    items = [annotated(image, labels, pixel_size=coarse), annotated(image, speck, pixel_size=fine)]
    dataset = dataset_of_strokes(items)
    for validation in (None, dataset.with_items(items[:1])):
        learnt, _, _ = planes_of(dataset, validation, coarse, TrainOptions(), silent(None))
        assert [plane.image.shape for plane in learnt] == [image.shape]


@pytest.mark.parametrize("given", [False, True])
def test_a_training_knows_how_much_of_its_images_is_painted(given):
    labels = np.zeros((120, 120), np.uint8)
    labels[:30, :20], labels[:30, 60:80] = 1, 2
    image = np.random.default_rng(0).normal(size=labels.shape)
    dataset = dataset_of_strokes([annotated(image, labels), annotated(image, np.zeros_like(labels))])
    other = dataset if given else None
    size = common_pixel_size(dataset.items)
    _, measured, about = planes_of(dataset, other, size, TrainOptions(), silent(None))
    assert measured
    assert about["held_out"] == ("validation images" if given else "blocks")
    assert about["labelled_share"] == pytest.approx(1200 / 14400)  # of the image that is painted, not of a block
