"""A network made ready to be asked why: one entry for all methods, batches that fit, heat on a known grid."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.resample import interpolate
from napari_visualccc.models.nn.cam import METHODS, Answered, Ask, Question, maps_of_layers
from napari_visualccc.models.nn.cam_input import integrated_gradients, occlusion
from napari_visualccc.models.nn.cam_layers import SEPARATOR, Grid, default_layer, grid_of, layer_named
from napari_visualccc.models.nn.cam_score import score_cam
from napari_visualccc.models.nn.fuse import fused
from napari_visualccc.models.nn.memory import kept_memory
from napari_visualccc.models.nn.precision import fastest_precision
from napari_visualccc.models.nn.tiled import padded_to

AUTO = "auto"
# Explained directly at the pixels of the image; all others at a layer.
PIXEL_METHODS = ("ig", "occlusion")
# Pixels in one batch; a ResNet-18 keeps about 1 kB per pixel when it is differentiated from the first layer on.
_BATCH_PIXELS = {"cpu": 1 << 21, "cuda": 1 << 24, "mps": 1 << 22}


@dataclass(frozen=True)
class Settings:
    """What some of the methods want to know.

    Attributes
    ----------
    passes
        Of Score-CAM: channels tried per image; 0 for all.
    steps
        Of Integrated Gradients.
    window
        Edge of the square of occlusion, in pixels of the network's image; it moves by half of it.
    seed
        Of the choice of channels.
    """

    passes: int = 40
    steps: int = 32
    window: int = 48
    seed: int = 0


@dataclass(frozen=True)
class Heat:
    """Explained images.

    Attributes
    ----------
    maps
        Evidence for the class, 0 or more, float32, shape (N, y, x): one value per cell of `grid`.
    grid
        Where the cells lie in the image.
    targets
        Output that was explained, int64, shape (N,).
    scores, probabilities
        Of that class, float32, shape (N,); of a region its mean.
    """

    maps: NDArray[np.float32]
    grid: Grid
    targets: NDArray[np.int64]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class Explainer:
    """Network ready to explain images; the one given is left as it is.

    Parameters
    ----------
    network
        Takes (N, 1, Y, X), gives one score per class, (N, classes), or one per class and pixel, (N, classes, Y, X).
        Where its sides must be multiples of something it says so in ``multiple``.
    device
        ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        self.device = str(device)
        precision = fastest_precision(device, exact=True)
        self._layout = precision.layout
        ready = fused(copy.deepcopy(network).eval().float()).requires_grad_(False)
        self.network = ready.to(self.device).to(memory_format=self._layout)
        self.multiple = int(getattr(network, "multiple", 1))
        self._grids: dict[str, Grid] = {}
        self._default = ""

    def layer_for(self, wanted: str) -> str:
        """Name of the layer: `default_layer` if `wanted` is ``"auto"``.

        Raises
        ------
        OptionError
            If there is none of the name, or none at all.
        """
        if wanted != AUTO:
            for name in wanted.split(SEPARATOR):
                layer_named(self.network, name)
            return wanted
        self._default = self._default or default_layer(self.network)
        return self._default

    def grid(self, layer: str) -> Grid:
        """Where the cells of a layer lie."""
        if layer not in self._grids:
            self._grids[layer] = grid_of(self.network, layer)
        return self._grids[layer]

    def with_network(self, network: nn.Module) -> Explainer:
        """One for a network of the same build with other weights."""
        other = Explainer(network, self.device)
        other.multiple, other._grids, other._default = self.multiple, self._grids, self._default
        return other

    def batch_of(self, shape: tuple[int, int]) -> int:
        """Number of images of a shape to explain at once."""
        return max(1, _BATCH_PIXELS.get(self.device, 1 << 21) // (shape[0] * shape[1]))

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def outputs(self, images: NDArray[np.float32]) -> torch.Tensor:
        """Scores of the network for images (N, Y, X); answers per pixel are cut to the images' shape."""
        with kept_memory():
            given = self.network(self._given(images)).float()
        return self._cut(given, images.shape[-2:])

    def explain(
        self, images: NDArray[np.float32], ask: Ask, method: str, layer: str = AUTO, settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> Heat:  # fmt: skip
        """Heat of a batch of images.

        Parameters
        ----------
        images
            Normalised and finite, shape (N, Y, X).
        ask
            Gives the question for outputs as `outputs` gives them.
        method
            A key of `napari_visualccc.models.nn.cam.METHODS`, ``"scorecam"``, ``"ig"`` or ``"occlusion"``.
        layer
            Name of the layer, or of several, separated by commas, whose heat is added up (none of them may lie behind
            another); `default_layer` by default. Not for `PIXEL_METHODS`.
        settings
            Of some methods.

        Raises
        ------
        OptionError
            If there is no such layer or method.
        Cancelled
            From `progress`.
        """
        settings, progress = settings or Settings(), silent(progress)
        shape = images.shape[-2:]
        given = self._given(images)
        with kept_memory():
            if method in PIXEL_METHODS:
                grid = Grid()
                answer = self._at_pixels(given, self._asked(ask, shape), method, settings, progress)
            else:
                names = self.layer_for(layer).split(SEPARATOR)
                answers = self._at_layers(given, self._asked(ask, shape), method, names, settings, progress)
                answer, grid = added_up(answers, [self.grid(name) for name in names])
        if not bool(torch.isfinite(answer.maps).all()):
            raise OptionError("the network gives values that are not finite for this image: it cannot be explained")
        outputs = answer.outputs.float()
        return Heat(
            answer.maps.cpu().numpy(), grid, answer.question.targets.cpu().numpy(),
            answer.question.scores(outputs).cpu().numpy(),
            answer.question.scores(outputs.softmax(dim=1)).cpu().numpy(),
        )  # fmt: skip

    def _at_layers(
        self, given: torch.Tensor, ask: Ask, method: str, names: list[str], settings: Settings, progress: Progress
    ) -> list[Answered]:
        layers = [layer_named(self.network, name) for name in names]
        if method == "scorecam":
            words = {"passes": settings.passes, "seed": settings.seed}
            return [score_cam(self.network, layer, given, ask, progress=progress, **words) for layer in layers]
        if method not in METHODS:
            known = ", ".join((*METHODS, "scorecam", *PIXEL_METHODS))
            raise OptionError(f"there is no method {method!r}: choose {known}")
        progress.check()
        return maps_of_layers(self.network, layers, given, ask, method)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _at_pixels(
        self, given: torch.Tensor, ask: Ask, method: str, settings: Settings, progress: Progress
    ) -> Answered:
        outputs = self.network(given)
        question = ask(outputs)
        if method == "ig":
            signed = integrated_gradients(self.network, given, question, steps=settings.steps, progress=progress)
        else:
            half = max(1, settings.window // 2)
            signed = occlusion(self.network, given, question, window=2 * half, stride=half, progress=progress)
        return Answered(signed.relu(), outputs, question)

    def _given(self, images: NDArray[np.float32]) -> torch.Tensor:
        values = torch.from_numpy(np.ascontiguousarray(images, np.float32))[:, None].to(self.device)
        if self.multiple > 1:
            values = padded_to(values, self.multiple)
        return values.contiguous(memory_format=self._layout)

    def _cut(self, outputs: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        return outputs if outputs.ndim == 2 else outputs[..., : shape[0], : shape[1]]

    def _asked(self, ask: Ask, shape: tuple[int, ...]) -> Ask:
        """The same question for padded images: the margin is never part of the region."""

        def asked(outputs: torch.Tensor) -> Question:
            question = ask(self._cut(outputs, shape))
            if question.regions is None:
                return question
            regions = torch.zeros(len(outputs), *outputs.shape[-2:], device=outputs.device)
            regions[:, : shape[0], : shape[1]] = question.regions
            return Question(question.targets, regions)

        return asked


def added_up(answers: list[Answered], grids: list[Grid]) -> tuple[Answered, Grid]:
    """Heat of several layers as one map on the finest of their grids; a cell's heat is spread over its area."""
    if len(answers) == 1:
        return answers[0], grids[0]
    finest = min(range(len(grids)), key=lambda i: grids[i].area)
    grid, shape = grids[finest], answers[finest].maps.shape[-2:]
    total = np.zeros((len(answers[0].maps), *shape), np.float32)
    for answer, own in zip(answers, grids, strict=True):
        maps = answer.maps.cpu().numpy() * np.float32(grid.area / own.area)
        for axis in (0, 1):
            places = (grid.offset[axis] + grid.stride[axis] * np.arange(shape[axis]) - own.offset[axis]) / own.stride[
                axis
            ]
            maps = interpolate(maps, np.clip(places, 0, maps.shape[axis + 1] - 1), axis + 1)
        total += maps
    return replace(answers[0], maps=torch.from_numpy(total)), grid
