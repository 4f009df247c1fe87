"""What is told of the images that a model learns from."""

import argparse

import numpy as np
import pytest

from napari_visualccc.commands.segment_train import _dataset, _declare_train
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.segment import annotated, dataset_of_masks, dataset_of_strokes
from napari_visualccc.segment.notes import data_flags, on_pixel_sizes
from napari_visualccc.segment.preparation import common_pixel_size

LABELS = np.array([[0, 1, 2, 5]], np.uint8)


@pytest.mark.parametrize(
    ("make", "words", "told"),
    [
        (dataset_of_masks, {}, []),
        (dataset_of_masks, {"ignore": 5}, ["--ignore-label", "5"]),
        (dataset_of_masks, {"ignore": 0}, ["--strokes"]),
        (dataset_of_masks, {"binary": True}, ["--binary"]),
        (dataset_of_masks, {"binary": True, "ignore": 5}, ["--binary", "--ignore-label", "5"]),
        (dataset_of_strokes, {}, ["--strokes"]),
        (dataset_of_strokes, {"ignore": 5}, ["--strokes", "--ignore-label", "5"]),
    ],
)
def test_the_command_line_reads_the_labels_as_they_were_read(make, words, told):
    items = [annotated(np.zeros(LABELS.shape), LABELS)]
    dataset = make(items, **words)
    flags = list(data_flags(dataset, None))
    assert flags[flags.index("MODEL") + 1 :] == told
    parser = argparse.ArgumentParser()
    _declare_train(parser)
    again = _dataset(items, parser.parse_args(flags), [])
    assert (again.values, again.ignore, again.binary) == (dataset.values, dataset.ignore, dataset.binary)
    np.testing.assert_array_equal(again.targets(items[0], 0), dataset.targets(items[0], 0))


def images(*sizes):
    return [
        annotated(np.zeros(LABELS.shape), LABELS, pixel_size=PixelSize(size, size, unit), name=f"scan {number}")
        for number, (size, unit) in enumerate(sizes)
    ]


def test_images_too_far_from_the_common_pixel_size_are_named():
    items = images((1, "nm"), (16, "nm"), (17, "nm"), (1, "px"), (0.05, "nm"), (1, "nm"))
    unknown, too_far = on_pixel_sizes(items, PixelSize(1, 1, "nm"))
    assert unknown.startswith("the pixel size of scan 3 is not known")
    assert too_far.startswith("the pixel size of scan 2, scan 4 is too far from the 1 nm/px of the others")
    assert not on_pixel_sizes(items[:2], PixelSize(1, 1, "nm"))


def test_a_pixel_size_of_images_to_measure_on_alone_is_told_to_be_of_no_use():
    learnt, measured = images((1, "px")), images((2, "nm"))
    (note,) = on_pixel_sizes([*learnt, *measured], common_pixel_size(learnt))
    assert note == "the pixel size of scan 0 is of no use, as that of the images learnt from is not known"
    assert not on_pixel_sizes([*learnt, *learnt], PixelSize())


def test_what_was_told_is_recorded_as_it_was():
    dataset = dataset_of_masks([annotated(np.zeros(LABELS.shape), LABELS)])
    assert data_flags(dataset, ["--images", "raw"]) == ["--images", "raw"]
