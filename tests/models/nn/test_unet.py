"""Segmentation networks: what they draw before they have learnt, and those of earlier versions."""

import pytest
import torch
from torch.nn import functional as F

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn.unet import Architecture, build


@pytest.fixture
def images():
    return torch.randn(1, 1, 128, 192, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def head_and_scores(network, images):
    """What the last layer sees, and the scores."""
    seen = []
    watching = network.head.register_forward_pre_hook(lambda _, values: seen.append(values[0]))
    scores = network.eval()(images)
    watching.remove()
    return seen[0], scores


@pytest.mark.parametrize("reduction", [2, 4])
def test_a_newborn_network_interpolates_between_cells_and_shows_no_pattern_of_them(images, reduction):
    torch.manual_seed(0)
    network = build(Architecture(encoder="resnet18", classes=3, reduction=reduction))
    seen, scores = head_and_scores(network, images)
    coarse = network.head.weight.detach()[::4].sum((-2, -1), keepdim=True)
    cells = F.conv2d(seen, coarse, network.head.bias.detach()[::4])
    expected = F.interpolate(cells, scale_factor=2.0, mode="bilinear")
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(scores[inside], expected[inside], rtol=1e-4, atol=1e-5)


def test_pixels_of_a_cell_learn_to_differ(images):
    torch.manual_seed(0)
    network = build(Architecture(encoder="resnet18", classes=2)).train()
    labels = torch.zeros(1, 128, 192, dtype=torch.long)
    labels[..., ::2] = 1
    optimiser = torch.optim.AdamW(network.head.parameters(), lr=0.01)
    for _ in range(30):
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimiser.step()
    assert (network(images).argmax(1) == labels).float().mean() > 0.99


def test_at_full_resolution_there_are_no_cells(images):
    network = build(Architecture(encoder="resnet18", classes=2, reduction=1))
    assert network.head.kernel_size == (1, 1)
    assert head_and_scores(network, images)[1].shape == (1, 2, 128, 192)


def test_a_card_from_before_the_smooth_head_builds_the_network_that_it_describes():
    record = Architecture(encoder="resnet18", classes=3, head_kernel=1).as_dict()
    del record["head_kernel"], record["lattice"], record["width"]
    architecture = Architecture.from_dict(record)
    assert (architecture.head_kernel, architecture.lattice, architecture.width) == (1, False, 64)
    network = build(architecture)
    assert network.head.weight.shape == (12, 64, 1, 1)
    assert network.decoder.blocks[-1].conv2[0].out_channels == 64


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_what_works_on_most_pixels_has_few_channels(reduction):
    """Nearly all of the time is spent there."""
    network = build(Architecture(encoder="resnet18", reduction=reduction))
    assert network.head.in_channels == 32
    assert network.decoder.blocks[-1].conv2[0].out_channels <= 32


def test_a_card_tells_all_of_a_network():
    architecture = Architecture("fpn", "resnet18", 4, 4, True)
    assert Architecture.from_dict(architecture.as_dict()) == architecture


@pytest.mark.parametrize("edge", [0, 2, 5])
def test_a_kernel_that_no_version_made_is_refused(edge):
    with pytest.raises(OptionError, match="head_kernel must be 1 or 3"):
        build(Architecture(encoder="resnet18", head_kernel=edge))


@pytest.mark.parametrize("width", [0, 48, 1 << 20])
def test_a_width_that_no_version_made_is_refused(width):
    with pytest.raises(OptionError, match="width must be 32 or 64"):
        build(Architecture(encoder="resnet18", width=width))
