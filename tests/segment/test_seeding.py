"""What a network learns beside the strokes."""

from dataclasses import replace

import numpy as np
import pytest

from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.nn.patches import LabelledPlane
from napari_visualccc.segment.seeding import ask_quick


def plane(seed=0, contrast=4.0):
    """A bright half in noise, painted with two strokes per phase, and the truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((120, 120), np.uint8)
    truth[:, 60:] = 1
    image = (rng.normal(0, 1, truth.shape) + contrast * truth).astype(np.float32)
    strokes = np.full_like(truth, UNLABELLED)
    for rows in (slice(10, 14), slice(90, 94)):
        strokes[rows, 5:50], strokes[rows, 70:115] = 0, 1
    return LabelledPlane(image, strokes), truth


def test_sure_pixels_are_taken_over_and_paint_is_kept():
    painted, truth = plane()
    painted.labels[0, 0] = 1  # painted wrong on purpose: the user has the last word
    (got,) = ask_quick([painted], 2).planes
    known = painted.labels != UNLABELLED
    assert (got.labels[known] == painted.labels[known]).all()
    more = (got.labels != UNLABELLED) & ~known
    assert more.mean() > 0.5
    assert (got.labels[more] == truth[more]).mean() > 0.95


def test_masks_stay_as_they_are():
    painted, truth = plane()
    mask = LabelledPlane(painted.image, truth)
    got = ask_quick([mask, painted], 2).planes
    assert got[0] is mask
    assert got[1] is not painted


def luck():
    """Two phases of pure noise, painted all over: whatever the classifier is sure of there is luck."""
    painted, _ = plane(contrast=0.0)
    painted.labels[:] = UNLABELLED
    for row in range(4, 120, 16):
        for column in range(4, 120, 16):
            painted.labels[row : row + 4, column : column + 6] = (row // 16 + column // 16) % 2
    return painted


def test_what_pixels_cannot_tell_is_not_taken_over():
    painted = luck()
    hints = ask_quick([painted], 2)
    assert hints.planes[0] is painted
    assert hints.ratios is not None


def three_phases(seed=0):
    """Two halves and small dots on 2 % of the area, a little painted of each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :160]
    truth = (x >= 80).astype(np.uint8)
    truth[(y % 32 - 16) ** 2 + (x % 32 - 16) ** 2 < 6] = 2
    image = (rng.normal(0, 1, truth.shape) + np.array([0.0, 4.0, 8.0])[truth]).astype(np.float32)
    strokes = np.full_like(truth, UNLABELLED)
    strokes[2:6, 5:35], strokes[120:124, 40:70] = 0, 0
    strokes[2:6, 85:115], strokes[120:124, 120:150] = 1, 1
    for row, column in ((16, 16), (48, 112), (80, 48), (112, 144), (144, 16)):
        strokes[row - 2 : row + 3, column - 2 : column + 3] = 2
    return LabelledPlane(image, strokes), truth


def test_all_phases_are_taken_over_or_none():
    """Nearly all pixels of some phases beside a few strokes of another would teach that the other is nowhere."""
    painted, truth = three_phases()
    hints = ask_quick([painted], 3)
    (got,) = hints.planes
    more = (got.labels != UNLABELLED) & (painted.labels == UNLABELLED)
    if more.any():
        for label in range(3):
            assert (more & (got.labels == label)).sum() > 0.2 * (truth == label).sum(), label
    assert (hints.ratios is None) == bool(more.any())


def test_without_filling_the_network_is_told_how_common_phases_are():
    painted, truth = three_phases()
    ratios = ask_quick([painted], 3, fill=False).ratios
    learnt = np.bincount(painted.labels.ravel(), minlength=256)[:3]
    true = np.bincount(truth.ravel(), minlength=3) / truth.size / (learnt / learnt.sum())
    assert (np.abs(np.log(ratios / true)) < [0.1, 0.1, 1.0]).all()


def test_neither_asked_nor_told():
    painted, _ = plane()
    hints = ask_quick([painted], 2, fill=False, shares=False)
    assert hints.planes[0] is painted
    assert hints.ratios is None


def test_masks_say_how_common_phases_are():
    painted = luck()
    mask = LabelledPlane(painted.image, (painted.image > 1).astype(np.uint8))
    assert ask_quick([mask, painted], 2, fill=False).ratios is None


def test_one_phase_is_nothing_to_ask_about():
    painted, _ = plane()
    painted.labels[painted.labels == 1] = UNLABELLED
    assert ask_quick([painted], 2).planes[0] is painted


def test_a_classifier_is_not_tried_on_slices_next_to_those_it_learnt_from():
    """Four times the same slice, in which phases are told apart by luck alone."""
    painted = luck()
    alone = ask_quick([painted] * 4, 2).planes
    stack = ask_quick([replace(painted, stack=0)] * 4, 2).planes
    assert alone[0] is not painted
    assert stack[0].labels is painted.labels


@pytest.mark.parametrize("count", [1, 4])
def test_same_seed_same_labels(count):
    planes = [plane(seed)[0] for seed in range(count)]
    first, again = (ask_quick(planes, 2, seed=3).planes for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
