import pytest
import torch
from torch import nn

from napari_visualccc.models.nn.schedule import Schedule, groups


def network():
    return nn.ModuleDict({"encoder": nn.Conv2d(1, 2, 3), "decoder": nn.Conv2d(2, 1, 3)})


def test_the_rate_rises_and_falls():
    schedule = Schedule(learning_rate=2.0, warm_up=0.1)
    assert schedule.rate(0.05) == pytest.approx(1.0)
    assert schedule.rate(0.1) == pytest.approx(2.0)
    assert schedule.rate(0.55) == pytest.approx(1.005)
    assert schedule.rate(1.0) == pytest.approx(0.01)


def test_matrices_decay_and_the_encoder_has_a_rate_of_its_own():
    own = network()
    found = groups(own, Schedule(encoder_rate=0.3, weight_decay=0.1))
    told = {id(p): (g["share"], g["weight_decay"]) for g in found for p in g["params"]}
    assert {name: told[id(p)] for name, p in own.named_parameters()} == {
        "encoder.weight": (0.3, 0.1), "encoder.bias": (0.3, 0.0), "decoder.weight": (1.0, 0.1),
        "decoder.bias": (1.0, 0.0),
    }  # fmt: skip


def test_frozen_parameters_are_left_out():
    own = network()
    own["encoder"].requires_grad_(False)
    assert sum(len(group["params"]) for group in groups(own, Schedule())) == 2


def test_the_first_step_of_the_encoder_is_shorter_by_its_share():
    from napari_visualccc.models.nn.fit import fit
    from napari_visualccc.models.nn.precision import PLAIN

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.encoder, self.decoder = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.decoder(self.encoder(x))

    class Task:
        def batch(self, step, done):
            return torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 5.0)

        def loss(self, outputs, targets, done):
            return ((outputs - targets) ** 2).mean()

        def validate(self, network):
            return {"score": 0.0}

        def words(self, scores):
            return ""

    moved = {}
    for share in (0.0, 0.3):
        own = Both()
        before = {name: value.detach().clone() for name, value in own.named_parameters()}
        state = fit(own, Task(), Schedule(steps=1, encoder_rate=share, weight_decay=0.0), PLAIN)
        after = {n.removeprefix("network."): v for n, v in state.tensors.items() if n.startswith("network.")}
        moved[share] = {name: float((after[name] - before[name]).abs().max()) for name in before}
    assert moved[0.0]["encoder.weight"] == 0
    # Adam's first step is the rate itself, whatever the gradient.
    assert moved[0.3]["encoder.weight"] == pytest.approx(0.3 * moved[0.3]["decoder.weight"], rel=1e-2)
