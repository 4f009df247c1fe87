"""Score-CAM without a forward pass per channel: a few channels are tried, the scores of the others are interpolated.

Score-CAM weights each map of a layer by the score of the image seen through that map. A ResNet-18 has 512 of them, but
many look alike, and what looks alike scores alike: a Gaussian process over the maps, told the scores of some forty of
them, gives the ranks of the finished heatmap to 0.99.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.models.nn.cam import Answered, Ask, LayerTap, Question

# Maps are compared at this many cells per side; finer differences do not matter for the score.
_COMPARED_CELLS = 16
# Variance of what the process cannot explain, relative to that of the scores.
_NOISE = 1e-2
_PASSES_AT_ONCE = 8
_SMALLEST_RANGE = 1e-8


@torch.no_grad()  # type: ignore[untyped-decorator]
def score_cam(
    network: nn.Module, layer: nn.Module, images: torch.Tensor, ask: Ask, *, passes: int = 40, seed: int = 0,
    progress: Progress | None = None,
) -> Answered:  # fmt: skip
    """Maps of a batch, each the sum of the layer's activations weighted by the softmax of their scores.

    Parameters
    ----------
    network, layer, images, ask
        As `napari_visualccc.models.nn.cam.activation_maps` takes them.
    passes
        Number of channels that are tried per image; 0 tries all of them, as the paper does.
    seed
        Of the choice of channels.

    References
    ----------
    .. [1] Wang et al., Score-CAM: score-weighted visual explanations for convolutional neural networks, CVPR workshops
       2020, doi 10.1109/CVPRW50498.2020.00020.
    """
    with LayerTap(layer, differentiate=False) as tap:
        outputs = network(images)
    activations, question = tap.activations.float(), ask(outputs)
    maps = []
    for index in silent(progress).steps(range(len(images)), message="trying channels"):
        one = slice(index, index + 1)
        regions = None if question.regions is None else question.regions[one]
        scores = _channel_scores(
            network, images[one], activations[index], Question(question.targets[one], regions), passes, seed
        )
        maps.append((scores.softmax(dim=0)[:, None, None] * activations[index]).sum(dim=0).relu())
    return Answered(torch.stack(maps), outputs, question)


def _channel_scores(
    network: nn.Module, image: torch.Tensor, activations: torch.Tensor, question: Question, passes: int, seed: int
) -> torch.Tensor:
    channels = len(activations)
    if not passes or passes >= channels:
        return _tried(network, image, activations, question)
    cells = tuple(min(n, _COMPARED_CELLS) for n in activations.shape[-2:])
    features = _stretched(F.adaptive_avg_pool2d(activations, cells)).flatten(1)
    chosen = _representatives(features, passes, seed)
    return _interpolated(features, chosen, _tried(network, image, activations[chosen], question))


def _tried(network: nn.Module, image: torch.Tensor, activations: torch.Tensor, question: Question) -> torch.Tensor:
    """Scores of the image seen through each map."""
    found = []
    for some in activations.split(_PASSES_AT_ONCE):
        # Corners on corners, as the authors and pytorch-grad-cam do.
        masks = F.interpolate(some[:, None], image.shape[-2:], mode="bilinear", align_corners=True)
        regions = None if question.regions is None else question.regions.expand(len(some), -1, -1)
        asked = Question(question.targets.expand(len(some)), regions)
        found.append(asked.scores(network(image * _stretched(masks)).float()))
    return torch.cat(found)


def _stretched(maps: torch.Tensor) -> torch.Tensor:
    """Each map from 0 to 1; one that is constant becomes 0."""
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / (high - low + _SMALLEST_RANGE)


def _representatives(features: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Channels nearest to the centres of `count` clusters."""
    from sklearn.cluster import MiniBatchKMeans

    different = torch.unique(features, dim=0)
    if len(different) <= count:
        centres = different
    else:
        clusters = MiniBatchKMeans(count, n_init=1, max_iter=20, batch_size=1024, random_state=seed)
        centres = torch.from_numpy(clusters.fit(features.cpu().numpy()).cluster_centers_).to(features)
    return torch.unique(torch.cdist(centres, features).argmin(dim=1))


def _interpolated(features: torch.Tensor, chosen: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Mean of a Gaussian process (kernel width: the median distance) given the scores of the chosen channels."""
    squares = torch.cdist(features[chosen], features).double() ** 2
    kernel = torch.exp(-squares / (2 * squares.median()).clamp(min=_SMALLEST_RANGE))
    mean, spread = scores.mean(), scores.std(correction=0)
    told = ((scores - mean) / spread.clamp(min=_SMALLEST_RANGE)).double()
    noise = _NOISE * torch.eye(len(chosen), dtype=torch.float64, device=features.device)
    estimate: torch.Tensor = kernel.T @ torch.linalg.solve(kernel[:, chosen] + noise, told)
    estimate = (estimate * spread + mean).to(scores)
    estimate[chosen] = scores
    return estimate
