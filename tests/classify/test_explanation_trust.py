"""Insertion, deletion and average drop, on a network whose answer can be computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_visualccc.classify.explanation_notes import note_on_trust
from napari_visualccc.classify.explanation_trust import CONTROLS, judge
from napari_visualccc.models.nn.explainer import Explainer

GAIN = 6.0


class MeanOfCorner(nn.Module):
    """Class 1 in proportion to the mean grey of the upper left quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def forward(self, images):
        height, width = images.shape[-2:]
        mean = self.gain * images[:, 0, : height // 2, : width // 2].mean(dim=(-2, -1))
        return torch.stack([torch.zeros_like(mean), mean - GAIN / 2], dim=1)


@pytest.fixture
def corner():
    image = np.ones((40, 60), np.float32)
    heat = np.zeros_like(image)
    heat[:20, :30] = 1
    return Explainer(MeanOfCorner()), image, heat


def test_areas_by_hand(corner):
    explainer, image, heat = corner
    trust = judge(explainer, image, heat, 1, None, (5, 6))
    shares = np.minimum(np.arange(11) / 10 / 0.25, 1)  # of the corner that is hidden when 0, 10, … % of the pixels are
    # 600 pixels of the corner, a tenth of the plane is 240: its mean grey falls in the same steps in any order
    chances = 1 / (1 + np.exp(-(GAIN * (1 - shares) - GAIN / 2)))
    assert trust.deletion_auc == pytest.approx(np.trapezoid(chances, dx=0.1), abs=1e-5)
    # a blurred plane of one grey is the plane: nothing is missing from the start on
    assert trust.insertion_auc == pytest.approx(1 / (1 + np.exp(-GAIN / 2)), abs=1e-5)
    assert trust.average_drop == pytest.approx(0)
    assert set(trust.controls) == set(CONTROLS)
    for name in CONTROLS:
        assert trust.controls[name][1] > trust.deletion_auc + 0.1


def test_the_wrong_place_is_punished(corner):
    explainer, image, heat = corner
    wrong = judge(explainer, image, heat[::-1, ::-1].copy(), 1, None, (5, 6))
    right = judge(explainer, image, heat, 1, None, (5, 6))
    assert wrong.deletion_auc > right.deletion_auc + 0.3
    before, after = (1 / (1 + np.exp(-v)) for v in (GAIN / 2, -GAIN / 2))
    assert wrong.average_drop == pytest.approx((before - after) / before, abs=1e-5)


def test_the_same_seed_gives_the_same_judgement(corner):
    explainer, image, heat = corner
    first, again, other = (judge(explainer, image, heat, 1, None, (5, 6), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.controls["random"] != other.controls["random"]


def test_heat_no_better_than_random_is_told(corner):
    explainer, image, heat = corner
    assert note_on_trust(judge(explainer, image, heat, 1, None, (5, 6)).as_dict()) == ()
    (told,) = note_on_trust(judge(explainer, image, 1 - heat, 1, None, (5, 6)).as_dict())
    assert "no faster than with random ones" in told
    assert note_on_trust({}) == ()
