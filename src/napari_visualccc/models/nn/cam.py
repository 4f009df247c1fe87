"""Class activation maps: where in an image a network found what speaks for a class.

A map has one value per cell of a layer. Only what comes after the layer is differentiated, so for a network that ends
in global average pooling and one linear layer the gradient costs no more than that layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import nn

from napari_visualccc.core.errors import OptionError

# As in pytorch-grad-cam: keeps the denominator of Grad-CAM++ from vanishing.
_PLUSPLUS_EPSILON = 1e-6


@dataclass(frozen=True)
class Question:
    """What is to be explained.

    Attributes
    ----------
    targets
        Class of each image, as the number of the output, int64, shape (N,).
    regions
        For networks that answer for every pixel: weights of the pixels that are asked about, shape (N, Y, X); each
        image's sum to 1 (or to 0, if nothing is asked). None for networks that answer once per image.
    """

    targets: torch.Tensor
    regions: torch.Tensor | None = None

    def scores(self, outputs: torch.Tensor) -> torch.Tensor:
        """Score of its class for each image, shape (N,); over a region it is the mean score.

        Raises
        ------
        ValueError
            If the network answers per pixel and no region is given, or the other way round.
        """
        chosen = outputs[torch.arange(len(outputs), device=outputs.device), self.targets]
        if (outputs.ndim == 4) != (self.regions is not None):
            raise ValueError(f"outputs of shape {tuple(outputs.shape)} and regions do not go together")
        return chosen if self.regions is None else (chosen * self.regions).sum(dim=(-2, -1))


Ask = Callable[[torch.Tensor], Question]


@dataclass(frozen=True)
class Answered:
    """What one pass through a network gives.

    Attributes
    ----------
    maps
        Heat of each cell of the layer, float32, shape (N, y, x).
    outputs
        Of the network, without graph.
    question
        What was asked of them.
    """

    maps: torch.Tensor
    outputs: torch.Tensor
    question: Question


class LayerTap:
    """Keeps what a layer gives in ``activations``, and lets the graph begin there.

    Raises
    ------
    OptionError
        While the network runs, if the layer gives no maps (N, C, Y, X).
    """

    def __init__(self, layer: nn.Module, *, differentiate: bool = True) -> None:
        self.activations: torch.Tensor = torch.empty(0)
        self._differentiate = differentiate
        self._handle = layer.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, _: Any, output: Any) -> torch.Tensor:
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            raise OptionError(
                f"the layer {type(module).__name__} gives no maps of features: choose a convolutional one"
            )
        self.activations = output.detach().requires_grad_(self._differentiate)
        # A copy goes on: what follows may be a ReLU that works in place.
        return self.activations.clone()

    def __enter__(self) -> LayerTap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()


def activation_maps(network: nn.Module, layer: nn.Module, images: torch.Tensor, ask: Ask, method: str) -> Answered:
    """Maps of a batch by one forward pass and the gradient back to the layer.

    Parameters
    ----------
    network
        In eval mode, its parameters without gradients.
    layer
        A module of it that gives maps (N, C, Y, X).
    images
        Shape (N, 1, Y, X).
    ask
        Gives the question for the network's outputs.
    method
        One of `METHODS`.
    """
    return maps_of_layers(network, [layer], images, ask, method)[0]


def maps_of_layers(
    network: nn.Module, layers: Sequence[nn.Module], images: torch.Tensor, ask: Ask, method: str
) -> list[Answered]:
    """`activation_maps` of several layers, none of which lies behind another, in one pass."""
    weigh, differentiate = METHODS[method]
    with ExitStack() as stack, torch.set_grad_enabled(differentiate):
        taps = [stack.enter_context(LayerTap(layer, differentiate=differentiate)) for layer in layers]
        outputs = network(images)
        question = ask(outputs.detach())
        gradients = [torch.zeros(())] * len(taps)
        if differentiate:
            total = question.scores(outputs.float()).sum()
            seen = [tap.activations for tap in taps]
            gradients = list(torch.autograd.grad(total, seen, materialize_grads=True))
    with torch.no_grad():
        maps = [weigh(tap.activations.detach().float(), one.float()) for tap, one in zip(taps, gradients, strict=True)]
    return [Answered(one, outputs.detach(), question) for one in maps]


def grad_cam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Activations weighted by the mean gradient of their channel (Selvaraju et al. 2017).

    References
    ----------
    .. [1] Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based localization, ICCV
       2017, doi 10.1109/ICCV.2017.74. Per region of a segmentation: Vinogradova et al., Seg-Grad-CAM, AAAI 2020,
       doi 10.1609/aaai.v34i10.7244.
    """
    return _weighted(activations, gradient.mean(dim=(-2, -1), keepdim=True))


def grad_cam_plusplus(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Grad-CAM with positive gradients, weighted so that each occurrence of an object counts.

    References
    ----------
    .. [1] Chattopadhay et al., Grad-CAM++, WACV 2018, doi 10.1109/WACV.2018.00097 (equation 19).
    """
    square = gradient**2
    denominator = 2 * square + activations.sum(dim=(-2, -1), keepdim=True) * square * gradient + _PLUSPLUS_EPSILON
    shares = torch.where(gradient != 0, square / denominator, torch.zeros_like(square))
    return _weighted(activations, (shares * gradient.relu()).sum(dim=(-2, -1), keepdim=True))


def hires_cam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Activations times gradient cell by cell: what the layer's cells contribute to the score, to first order.

    References
    ----------
    .. [1] Draelos, Carin, HiResCAM, 2020, arXiv:2011.08891.
    """
    return _weighted(activations, gradient)


def layer_cam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Activations times the positive part of the gradient cell by cell; good for shallow layers too.

    References
    ----------
    .. [1] Jiang et al., LayerCAM, IEEE Transactions on Image Processing 30 (2021) 5875, doi 10.1109/TIP.2021.3089943.
    """
    return _weighted(activations, gradient.relu())


def eigen_cam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """First principal component of the activations: what stands out to the network, whatever the class.

    A component has no sign of its own; it is turned so that its largest value is positive, as salient places are few.

    References
    ----------
    .. [1] Muhammad, Yeasin, Eigen-CAM, IJCNN 2020, doi 10.1109/IJCNN48605.2020.9206626.
    """
    pixels = activations.flatten(2).transpose(1, 2).double()
    pixels = pixels - pixels.mean(dim=1, keepdim=True)
    # The smaller of the two matrices of products: cells by cells, or channels by channels.
    if pixels.shape[1] <= pixels.shape[2]:
        values, vectors = torch.linalg.eigh(pixels @ pixels.transpose(1, 2))
        component = vectors[:, :, -1] * values[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(pixels.transpose(1, 2) @ pixels)
        component = (pixels @ vectors[:, :, -1:])[..., 0]
    largest = component.amax(dim=1, keepdim=True) >= -component.amin(dim=1, keepdim=True)
    component = torch.where(largest, component, -component)
    return component.relu().float().reshape(len(activations), *activations.shape[-2:])


def _weighted(activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (activations * weights).sum(dim=1).relu()


# Each with whether it needs the gradient of the class.
METHODS: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], bool]] = {
    "gradcam": (grad_cam, True),
    "gradcam++": (grad_cam_plusplus, True),
    "hirescam": (hires_cam, True),
    "layercam": (layer_cam, True),
    "eigencam": (eigen_cam, False),
}
