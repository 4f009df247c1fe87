"""Layers of a network that can be explained, and which pixel each of their cells looks at."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn.cam import LayerTap
from napari_visualccc.models.nn.tiled import padded_to

# Networks are tried on an image this large, or so large that the coarsest layer has cells that see no border.
_TRIAL_EDGE, _TRIAL_CELLS = 256, 4
# A grid that was measured is taken if the distance of its cells is what the shapes say, to this share.
_AGREEMENT = 0.2
_DEFAULT_MULTIPLE = 32
# Between the names of layers whose heat is added up.
SEPARATOR = ","
_ACTIVATIONS = tuple(
    getattr(nn, name) for name in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "GELU", "SiLU", "Mish", "Hardswish")
)
_GATES = (nn.Sigmoid, nn.Hardsigmoid)
_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)


@dataclass(frozen=True)
class Grid:
    """Where the cells of a layer lie in the network's image: cell i at pixel ``offset + stride * i``.

    The usual enlargement of heatmaps takes cells for blocks of `stride` pixels, with the offset (stride - 1) / 2. But
    a convolution of stride 2 over three pixels centres its cell i on pixel 2i, not between 2i and 2i + 1: after five of
    them heat lies 15.5 pixels off.

    Attributes
    ----------
    stride, offset
        Along y and x, in pixels of the network's image.
    """

    stride: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of_blocks(cls, stride: tuple[float, float]) -> Grid:
        """Cells that are blocks of pixels."""
        return cls(stride, ((stride[0] - 1) / 2, (stride[1] - 1) / 2))

    @property
    def area(self) -> float:
        """Pixels per cell."""
        return self.stride[0] * self.stride[1]


@dataclass(frozen=True)
class Layer:
    """A layer that gives maps.

    Attributes
    ----------
    name
        As PyTorch's ``named_modules`` has it.
    channels
        Number of maps.
    stride
        Pixels of the network's image per cell.
    """

    name: str
    channels: int
    stride: float


def layers_with_maps(network: nn.Module) -> list[Layer]:
    """All layers that can be explained, in the order in which they finish; those used more than once are left out."""
    image = _trial_image(network)
    found: list[Layer] = []

    def keep(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[-2:]) > 1:
                found.append(Layer(name, output.shape[1], image.shape[-2] / output.shape[-2]))

        return hook

    handles = [
        module.register_forward_hook(keep(name))
        for name, module in network.named_modules()
        if name and not isinstance(module, nn.Dropout | nn.AdaptiveAvgPool2d)
    ]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    uses = Counter(layer.name for layer in found)
    return [layer for layer in found if uses[layer.name] == 1]


def default_layer(network: nn.Module) -> str:
    """Name of the layer to explain when nobody says: the deepest of a classifier, the end of a U-Net's decoder.

    A classifier that looks at several layers side by side passes what it sees of each through a module of its list
    ``seen``: all of them are named then, and their heat is added up.

    The bottleneck of a U-Net, which Seg-Grad-CAM looks at, knows little of where things are: the connections past it
    do. On simulated deposits 25 % of the bottleneck's heat lay on the deposits and hiding hot pixels did no more than
    hiding random ones; of the decoder's, 95 % did.

    Raises
    ------
    OptionError
        If no layer gives maps.
    """
    layers = layers_with_maps(network)
    if not layers:
        raise OptionError("this network has no layer of maps (it may be a transformer): use occlusion or ig")
    drawn = [layer for layer in layers if layer.name.split(".")[0] == "decoder"]
    if drawn:
        return drawn[-1].name
    seen = [layer.name for layer in layers if layer.name.split(".")[0] == "seen"]
    if seen:
        return SEPARATOR.join(seen)
    layers = [layer for layer in layers if layer.name.startswith("encoder.")] or layers
    coarsest = max(layer.stride for layer in layers)
    return [layer for layer in layers if layer.stride == coarsest][-1].name


def layer_named(network: nn.Module, name: str) -> nn.Module:
    """Module of a name.

    Raises
    ------
    OptionError
        If there is none; some that there are are named.
    """
    modules = dict(network.named_modules())
    if name and name in modules:
        return modules[name]
    known = [layer.name for layer in layers_with_maps(network) if layer.name.count(".") <= 1]
    raise OptionError(f"the network has no layer {name!r}; there are {', '.join(known)}, and layers within them")


def grid_of(network: nn.Module, name: str) -> Grid:
    """Grid of a layer's cells, measured.

    In a copy every convolution hands on the middle of what it sees, and norms, activations and gates do nothing. Shown
    an image whose grey is the row (then: the column), each cell of that copy tells the position of its pixel. Where
    this gives no regular grid (attention), cells are taken for blocks.
    """
    passing = _passing(network)
    image = _trial_image(network)
    height, width = image.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ramps = torch.stack([torch.ones(height, width), rows, columns])[:, None].expand(-1, image.shape[1], -1, -1)
    with LayerTap(layer_named(passing, name), differentiate=False) as tap, torch.no_grad():
        passing(ramps.to(image.device, torch.float32))
    ones, rows, columns = tap.activations.double().mean(dim=1)
    stride = (height / ones.shape[-2], width / ones.shape[-1])
    y = _offset((rows / ones)[:, ones.shape[-1] // 2], stride[0])
    x = _offset((columns / ones)[ones.shape[-2] // 2], stride[1])
    return Grid.of_blocks(stride) if y is None or x is None else Grid(stride, (y, x))


def _offset(places: torch.Tensor, stride: float) -> float | None:
    """Position of the first cell, from those in the middle; None if they do not stand in line."""
    middle = len(places) // 2
    step = float(places[middle] - places[middle - 1]) if len(places) > 1 else float("nan")
    if not abs(step - stride) <= _AGREEMENT * stride:
        return None
    offset = float(places[middle] + places[middle - 1]) / 2 - stride * (middle - 0.5)
    return round(2 * offset) / 2 if abs(offset) <= 2 * stride else None


class _Open(nn.Module):
    """Gate that lets everything through."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(values)


def _passing(network: nn.Module) -> nn.Module:
    passing = copy.deepcopy(network).float().eval()
    for parent in list(passing.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                _hand_on_the_middle(module)
            elif isinstance(module, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(module.kernel_size, module.stride, module.padding))
            elif isinstance(module, (*_ACTIVATIONS, *_NORMS)):
                setattr(parent, name, nn.Identity())
            elif isinstance(module, _GATES):
                setattr(parent, name, _Open())
    return passing


def _hand_on_the_middle(convolution: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Mean over channels of the middle pixel, or of the two or four in the middle of a kernel of even size."""
    weight = convolution.weight.data
    taps = tuple(slice((size - 1) // 2, size // 2 + 1) for size in weight.shape[-2:])
    weight.zero_()
    weight[(..., *taps)] = 1 / weight[0, :, taps[0], taps[1]].numel()
    if convolution.bias is not None:
        convolution.bias.data.zero_()


def _trial_image(network: nn.Module) -> torch.Tensor:
    parameter = next(network.parameters())
    multiple = getattr(network, "multiple", _DEFAULT_MULTIPLE)
    edge = max(_TRIAL_EDGE, _TRIAL_CELLS * multiple)
    image = padded_to(torch.zeros(1, channels_of(network), edge, edge), multiple)
    return image.to(parameter.device, torch.float32 if getattr(network, "takes_float32", False) else parameter.dtype)


def channels_of(network: nn.Module) -> int:
    """Channels of the images that a network takes; ours take one, others are asked for their first convolution."""
    if hasattr(network, "multiple"):
        return 1
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return 1 if first is None else int(first.in_channels)
