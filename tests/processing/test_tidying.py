"""Pieces of crystals go back to them; twins and neighbours stay apart."""

import numpy as np

from napari_visualccc.processing.peaks import Peaks
from napari_visualccc.processing.tidying import tidied

BIN = 0.5


def spots(*places):
    count = len(places)
    ones = np.ones(count)
    return Peaks(np.array(places, float), 0.01 * ones, 50 * ones, np.arange(count, 0.0, -1), np.zeros((count, 2)), ones)


def two(split=40):
    labels = np.zeros((60, 80), np.int32)
    labels[10:50, 5:split], labels[10:50, split + 1 : 75] = 1, 2  # one pixel between them
    return labels


def test_touching_grains_with_two_spots_in_common_are_one():
    found = tidied(two(), [spots((0, 5), (5, 0)), spots((5.3, 0.1), (-0.2, -5.1))], BIN)  # mirrored spots are the same
    assert set(np.unique(found)) == {0, 1}
    assert (found[13:47, 5:75] == 1).all()  # the seam too


def test_twins_and_strangers_stay_apart():
    twins = [spots((0, 5), (5, 0), (0, 10)), spots((0, 5), (4, 3), (0, 10))]  # a row in common
    strangers = [spots((0, 5), (5, 0)), spots((3, 4), (4, -3))]
    for peaks in (twins, strangers):
        assert np.array_equal(tidied(two(), peaks, BIN), two())


def test_a_sliver_of_one_spot_belongs_to_the_crystal_that_shows_it():
    one = spots((0.4, 5.2))
    found = tidied(two(66), [spots((0, 5), (5, 0)), one], BIN)
    assert set(np.unique(found)) == {0, 1}
    assert set(np.unique(tidied(two(), [spots((0, 5), (5, 0)), one], BIN))) == {0, 1, 2}  # half the field is no sliver


def test_grains_that_do_not_touch_stay_apart():
    labels = two()
    labels[:, 36:46] = 0
    same = spots((0, 5), (5, 0))
    assert np.array_equal(tidied(labels, [same, same], BIN), labels)


def test_stray_parts_and_holes():
    labels = two()
    labels[20:25, 10:14] = 2  # inside the other grain
    labels[30:33, 20:23] = 0
    found = tidied(labels, [spots((0, 5), (5, 0)), spots((3, 4), (4, -3))], BIN)
    assert (found[10:50, 5:40] == 1).all()
    assert (found[10:50, 41:75] == 2).all()


def test_nothing_is_nothing():
    assert not tidied(np.zeros((8, 8), np.int32), [], BIN).any()
