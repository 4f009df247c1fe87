"""What a network learns beside the strokes."""

import numpy as np
import pytest

from napari_visualccc.models.nn.patches import LabelledPlane
from napari_visualccc.segment.annotations import UNLABELLED
from napari_visualccc.segment.seeding import filled


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
    (got,) = filled([painted], 2)
    known = painted.labels != UNLABELLED
    assert (got.labels[known] == painted.labels[known]).all()
    more = (got.labels != UNLABELLED) & ~known
    assert more.mean() > 0.5
    assert (got.labels[more] == truth[more]).mean() > 0.95


def test_masks_stay_as_they_are():
    painted, truth = plane()
    mask = LabelledPlane(painted.image, truth)
    got = filled([mask, painted], 2)
    assert got[0] is mask
    assert got[1] is not painted


def test_a_phase_that_pixels_cannot_tell_is_not_taken_over():
    """Two phases of pure noise, painted all over: whatever the classifier is sure of there is luck."""
    painted, _ = plane(contrast=0.0)
    painted.labels[:] = UNLABELLED
    for row in range(4, 120, 16):
        for column in range(4, 120, 16):
            painted.labels[row : row + 4, column : column + 6] = (row // 16 + column // 16) % 2
    (got,) = filled([painted], 2)
    more = (got.labels != UNLABELLED) & (painted.labels == UNLABELLED)
    assert more.mean() < 0.2


def test_one_phase_is_nothing_to_ask_about():
    painted, _ = plane()
    painted.labels[painted.labels == 1] = UNLABELLED
    assert filled([painted], 2)[0] is painted


@pytest.mark.parametrize("count", [1, 4])
def test_same_seed_same_labels(count):
    planes = [plane(seed)[0] for seed in range(count)]
    first, again = (filled(planes, 2, seed=3) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
