"""Where the cells of a layer lie, and which layer is explained."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn.cam import Question
from napari_visualccc.models.nn.cam_layers import Grid, default_layer, grid_of, layer_named, layers_with_maps
from napari_visualccc.models.nn.explainer import Explainer
from napari_visualccc.models.nn.unet import Architecture, build


@pytest.fixture(scope="module")
def classifier():
    return torchvision.models.resnet18(weights=None).eval()


@pytest.fixture(scope="module")
def unet():
    return build(Architecture(encoder="resnet18", classes=2)).eval()


def test_default_layers(classifier, unet):
    assert default_layer(classifier) == "layer4"
    assert default_layer(unet) == "decoder"
    assert default_layer(torchvision.models.vgg11(weights=None)) == "features"


def test_layers_say_their_size(classifier):
    layers = {layer.name: layer for layer in layers_with_maps(classifier)}
    assert (layers["layer2"].channels, layers["layer2"].stride) == (128, 8)
    assert "avgpool" not in layers
    assert "fc" not in layers


def test_unknown_layers(classifier):
    with pytest.raises(OptionError, match=r"no layer 'layer9'; there are .*layer4"):
        layer_named(classifier, "layer9")
    with pytest.raises(OptionError, match="no layer of maps"):
        default_layer(nn.Sequential(nn.Flatten(), nn.Linear(256 * 256 * 1, 2)))


def test_grids_known_from_the_arithmetic_of_convolutions(classifier, unet):
    # conv1, max pool and three stages of stride 2, kernels of odd size: cell i is centred on pixel 32 i
    assert grid_of(classifier, "layer4") == Grid((32, 32), (0, 0))
    assert grid_of(classifier, "layer1") == Grid((4, 4), (0, 0))
    # the body sees means of 2 × 2 pixels
    assert grid_of(unet, "encoder.layer4") == Grid((64, 64), (0.5, 0.5))
    assert grid_of(unet, "decoder") == Grid((2, 2), (0.5, 0.5))


def test_kernels_of_even_size_and_gates():
    # ConvNeXt cuts patches of 4, then of 2: its cells are blocks. MobileNet has gates (squeeze and excitation).
    assert grid_of(torchvision.models.convnext_tiny(weights=None), "features") == Grid.of_blocks((32, 32))
    assert grid_of(torchvision.models.mobilenet_v3_small(weights=None), "features") == Grid((32, 32), (0, 0))


def test_a_network_is_left_as_it_was(classifier):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    grid_of(classifier, "layer3")
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_the_grid_is_where_a_bright_pixel_is_felt():
    """The gradient of one cell, squared, is centred on the pixel that the grid names."""
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Conv2d(1 if i == 0 else 8, 8, 3, stride=2, padding=1) for i in range(3)))
    grid = grid_of(network, "2")
    image = torch.zeros(1, 1, 96, 128)
    centres = []
    for _ in range(20):
        for layer in network:
            layer.reset_parameters()
        given = image.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network(given)[0, :, 5, 7].sum(), given)
        energy = gradient[0, 0] ** 2
        y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
        centres.append([float((energy * y).sum() / energy.sum()), float((energy * x).sum() / energy.sum())])
    expected = [grid.offset[0] + 5 * grid.stride[0], grid.offset[1] + 7 * grid.stride[1]]
    np.testing.assert_allclose(np.mean(centres, axis=0), expected, atol=1.0)


class SideBySide(nn.Module):
    """Looks at two layers, each pooled, through modules called ``seen``; its encoder is used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.seen = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        views = [images, nn.functional.avg_pool2d(images, 2)]
        parts = [seen(self.encoder(view)).mean(dim=(-2, -1)) for seen, view in zip(self.seen, views, strict=True)]
        return self.head(torch.cat(parts, dim=1))


def test_layers_side_by_side_add_up():
    network = SideBySide()
    explainer = Explainer(network)
    assert explainer.layer_for("auto") == "seen.0,seen.1"  # the encoder, used twice, cannot be asked
    assert grid_of(network, "seen.1") == Grid((2, 2), (0.5, 0.5))
    images = np.random.default_rng(0).normal(size=(2, 40, 56)).astype(np.float32)

    def ask(_):
        return Question(torch.tensor([0, 1]))

    both = explainer.explain(images, ask, "hirescam")
    assert both.grid == Grid((1, 1), (0, 0))
    fine, coarse = (explainer.explain(images, ask, "hirescam", name).maps for name in ("seen.0", "seen.1"))
    assert both.maps.sum() == pytest.approx(fine.sum() + coarse.sum(), rel=0.02)
