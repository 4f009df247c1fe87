"""A classifier with its card: network, temperature, and what its training planes looked like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.calibration import softmax
from napari_visualccc.classify.linear import LinearFit
from napari_visualccc.classify.unlike import Familiar
from napari_visualccc.core.errors import ModelError
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import load_model, save_model
from napari_visualccc.models.states import fill, weights

if TYPE_CHECKING:
    from napari_visualccc.classify.vectors import Looker
    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.core.runtime import Device
    from napari_visualccc.models.embedding_cache import EmbeddingCache
    from napari_visualccc.models.nn.classifier import Classifier
    from napari_visualccc.models.windows import PlaneView

Floats = NDArray[np.float64]
_OWN = ("familiar.", "temperature")


@dataclass(frozen=True)
class ClassificationModel:
    """Network, card, and what turns its scores into answers.

    Attributes
    ----------
    network
        Takes normalised grey values (N, 1, Y, X), gives scores (N, classes).
    card
        What it is.
    temperature
        Divides scores.
    familiar
        What is not unlike the training planes.
    hash
        Of the file it came from; empty before it is saved.
    """

    network: Classifier
    card: ModelCard
    temperature: float
    familiar: Familiar
    hash: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the scores."""
        return tuple(one.name for one in self.card.classes)

    def scores(self, vectors: NDArray[np.float32]) -> Floats:
        """Scores of vectors (N, D) before temperature, shape (N, C)."""
        head = self.network.head
        shift, scale, weight, bias = (
            one.detach().double().cpu().numpy() for one in (head.shift, head.scale, head.weight, head.bias)
        )
        return np.asarray((np.asarray(vectors, np.float64) - shift) * scale @ weight.T + bias)

    def probabilities(self, vectors: NDArray[np.float32]) -> Floats:
        """Calibrated probabilities, shape (N, C)."""
        return softmax(self.scores(vectors), self.temperature)

    def looker(self, device: Device | str = "auto", cache: EmbeddingCache | None = None) -> Looker:
        """What turns planes into the vectors that this model understands."""
        from napari_visualccc.classify.vectors import Looker
        from napari_visualccc.models.embedding_options import EmbeddingOptions

        architecture = self.card.architecture
        return Looker(
            EmbeddingOptions(encoder=str(architecture["encoder"])),
            mask_marks=bool(architecture.get("mask_marks", True)), device=device, cache=cache,
            trunk=(self.network.trunk, str(architecture.get("weights_hash", ""))),
        )  # fmt: skip

    def view(self, planes: Planes, index: int, pixel_size: PixelSize) -> PlaneView:
        """How a plane is shown to the network: marks hidden, large planes through the crops that it looks through."""
        from napari_visualccc.models.crops import crop_regions
        from napari_visualccc.models.embedding_options import EmbeddingOptions
        from napari_visualccc.models.micrographs import Micrograph, source_of
        from napari_visualccc.models.windows import PlaneView, Window
        from napari_visualccc.processing.text import marks_of

        options = EmbeddingOptions()
        mask = marks_of if self.card.architecture.get("mask_marks", True) else None
        read, _, shape = source_of(Micrograph(planes, index, pixel_size, mask), options)
        regions = crop_regions(shape, options.crops)
        return PlaneView(read, tuple(Window(y, x, (y.stop - y.start, x.stop - x.start)) for y, x in regions))

    def save(self, path: str | Path) -> Path:
        """Write the model as one ``.safetensors`` file.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        own = {"temperature": np.array([self.temperature], np.float32)}
        return save_model(path, self.card, weights(self.network) | own | self.familiar.tensors())

    @classmethod
    def load(cls, path: str | Path) -> ClassificationModel:
        """Read a model.

        Raises
        ------
        ModelError
            If the file is not a classifier of ours, or is damaged.
        """
        from napari_visualccc.models.nn.networks import network_of

        file = load_model(path)
        file.card.expect("classify", str(path))
        if file.card.architecture.get("classes") != len(file.card.classes):
            raise ModelError(f"{path} names {len(file.card.classes)} classes, but its network has another number")
        network = network_of(file.card.architecture)
        own = {name: value for name, value in file.tensors.items() if not name.startswith(_OWN)}
        fill(network, own, str(path))
        try:
            return _assembled(network.eval(), file.card, file.tensors, file.hash)
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path} is damaged or incomplete: {error} is missing or does not fit") from error


def model_of_fit(network: Classifier, card: ModelCard, fit: LinearFit, familiar: Familiar) -> ClassificationModel:
    """Model of a linear fit to vectors, which becomes the network's last layer."""
    import torch

    weight, bias = fit.head()
    head, standard = network.head, fit.standard
    with torch.no_grad():
        for target, values in (
            (head.shift, standard.shift), (head.scale, 1 / standard.scale), (head.weight, weight), (head.bias, bias)
        ):  # fmt: skip
            target.copy_(torch.from_numpy(np.ascontiguousarray(values, np.float32)))
    return ClassificationModel(network, card, fit.temperature, familiar)


def _assembled(
    network: Classifier, card: ModelCard, tensors: Mapping[str, NDArray[Any]], file_hash: str
) -> ClassificationModel:
    temperature = float(tensors["temperature"][0])
    return ClassificationModel(network, card, temperature, Familiar.from_tensors(tensors), file_hash)
