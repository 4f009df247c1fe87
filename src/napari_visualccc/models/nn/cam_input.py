"""Attribution to the pixels of the image itself: Integrated Gradients and occlusion, as captum defines them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.models.nn.cam import Question


def integrated_gradients(
    network: nn.Module, images: torch.Tensor, question: Question, *, steps: int = 32, progress: Progress | None = None
) -> torch.Tensor:
    """Share of each pixel in the difference of scores between the image and plain typical grey (0).

    Parameters
    ----------
    network
        In eval mode.
    images
        Normalised, shape (N, C, Y, X).
    question
        Class (and region) of each image.
    steps
        Points of the Gauss-Legendre rule on the straight way from grey to the image.

    Returns
    -------
    Tensor
        Signed, shape (N, Y, X); each image's sum is the difference of scores, but for the error of the rule.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan, Axiomatic attribution for deep networks, ICML 2017, arXiv:1703.01365.
    """
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(images)
    for place, weight in silent(progress).steps(list(zip(places, weights, strict=True)), message="integrating"):
        with torch.enable_grad():
            between = (images * ((1 + place) / 2)).requires_grad_(True)
            (gradient,) = torch.autograd.grad(question.scores(network(between)).sum(), between)
        total += gradient * (weight / 2)
    return (total * images).sum(dim=1)


@torch.no_grad()  # type: ignore[untyped-decorator]
def occlusion(
    network: nn.Module, images: torch.Tensor, question: Question, *, window: int = 48, stride: int = 24,
    progress: Progress | None = None,
) -> torch.Tensor:  # fmt: skip
    """How much the score falls when a square that holds a pixel is painted in typical grey (0).

    Parameters
    ----------
    network
        In eval mode.
    images
        Normalised, shape (N, C, Y, X).
    question
        Class (and region) of each image.
    window, stride
        Edge of the square and distance of neighbouring ones, in pixels.

    Returns
    -------
    Tensor
        Signed mean over the squares that hold a pixel, shape (N, Y, X).

    References
    ----------
    .. [1] Zeiler, Fergus, Visualizing and understanding convolutional networks, ECCV 2014,
       doi 10.1007/978-3-319-10590-1_53.
    """
    window = min(window, *images.shape[-2:])
    whole = question.scores(network(images))
    total, count = torch.zeros_like(images[:, 0]), torch.zeros_like(images[0, 0])
    rows, columns = (
        [slice(i * stride, min(i * stride + window, n)) for i in range(math.ceil((n - window) / stride) + 1)]
        for n in images.shape[-2:]
    )
    boxes = [(y, x) for y in rows for x in columns]
    for y, x in silent(progress).steps(boxes, message="covering"):
        covered = images.clone()
        covered[..., y, x] = 0
        total[:, y, x] += (whole - question.scores(network(covered)))[:, None, None]
        count[y, x] += 1
    # Squares more than their edge apart leave pixels that none of them covers.
    return total / count.clamp(min=1)
