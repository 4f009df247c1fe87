"""What is told of the images that a model learns from."""

import argparse

import numpy as np
import pytest

from napari_visualccc.commands.segment_train import _dataset, _declare_train
from napari_visualccc.segment import annotated, dataset_of_masks, dataset_of_strokes
from napari_visualccc.segment.notes import data_flags

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


def test_what_was_told_is_recorded_as_it_was():
    dataset = dataset_of_masks([annotated(np.zeros(LABELS.shape), LABELS)])
    assert data_flags(dataset, ["--images", "raw"]) == ["--images", "raw"]
