"""AdamW's moments on their way to a file and back."""

import pytest
import torch
from torch import nn

from napari_visualccc.models.nn.moments import moments_of, put_back


def learner(layout):
    torch.manual_seed(0)
    network = nn.Conv2d(3, 4, 3).to(memory_format=layout)
    return network, torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)


def learn(network, optimiser, step):
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(step))
    optimiser.zero_grad()
    network(images).square().mean().backward()
    optimiser.step()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moments_put_back_belong_to_the_weights_they_were_of(layout):
    network, optimiser = learner(layout)
    for step in range(3):
        learn(network, optimiser, step)
    kept = {name: value.clone(memory_format=torch.contiguous_format) for name, value in
            moments_of(network, optimiser).items()}  # fmt: skip
    assert kept.keys() == {f"{moment}.{name}" for moment in ("moment1", "moment2") for name in ("weight", "bias")}
    again, other = learner(layout)
    again.load_state_dict(network.state_dict())
    put_back(again, other, kept, 3)
    for one in ((network, optimiser), (again, other)):
        learn(*one, 3)
    torch.testing.assert_close(again.weight, network.weight, rtol=0, atol=0)
    torch.testing.assert_close(again.bias, network.bias, rtol=0, atol=0)


def test_an_optimiser_that_has_not_learnt_has_no_moments():
    network, optimiser = learner(torch.contiguous_format)
    assert moments_of(network, optimiser) == {}
    put_back(network, optimiser, {}, 0)
    assert not optimiser.state
