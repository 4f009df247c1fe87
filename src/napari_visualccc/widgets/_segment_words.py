"""What the Segment widget says: what to do next, and what came of a training."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_visualccc.segment.coverage import measured_on, words_on_painted

if TYPE_CHECKING:
    from napari_visualccc.models.card import ModelCard
    from napari_visualccc.segment import SegmentationModel, TrainResult

TRAINING = "Train"
STOPPING = "stopping after this step …"
CANCELLED = "Cancelled; what was there before is unchanged."
_DEVICES = {"cpu": "the CPU", "cuda": "the GPU", "mps": "the GPU"}
# Pre-trained networks of simulated micrographs are still coming into shape then.
_FEW_STEPS = 150


class Note:
    """What has just happened, in words; where it is about one image, as long as that is the one to work on."""

    def __init__(self) -> None:
        self.take("")

    def take(self, words: str, image: Any = None) -> None:
        """Keep words, about an image or about all."""
        self._words = words
        self._image = None if image is None else weakref.ref(image)

    def on(self, image: Any) -> str:
        """The words, if they are true of this image."""
        return self._words if self._image is None or self._image() is image else ""


def next_step(*, has_image: bool, has_problem: bool, job: str, note: str, ready: bool, has_model: bool) -> str:
    """One line about what to do next.

    Parameters
    ----------
    has_image, has_problem
        Whether an image is chosen, and whether anything is marked as wrong.
    job
        Title of what is running; empty if nothing is.
    note
        What has just happened, which goes before any advice.
    ready
        Whether enough is painted to train.
    has_model
        Whether there is a model to apply.
    """
    if not has_image:
        return "Open an image to begin."
    if has_problem:
        return "Mend what is marked ⚠ below."
    if job == TRAINING:
        return "Training … go on painting if you like: the next training takes it in."
    if job:
        return "Working … the viewer stays usable."
    return note or _next_when_idle(ready, has_model)


def _next_when_idle(ready: bool, has_model: bool) -> str:
    if not ready:
        return "Name the phases, press “Paint on this image”, and paint a little of each phase."
    if not has_model:
        return "Press Train. More strokes, on other images too, make it better."
    return "Look where it is wrong, or press “Where next?”; paint there and train again."


def about_training(result: TrainResult, before: SegmentationModel | None) -> str:
    """Say what came of a training, and what is wrong with that."""
    device = result.model.card.training.get("device")
    where = f" on {_DEVICES.get(device, device)}" if device else ""
    words = [f"Trained for {result.steps} step{'' if result.steps == 1 else 's'}{where}."]
    if result.metrics:
        words.append(f"Mean IoU {result.metrics['mean_iou']:.3f} on {measured_on(result.metrics)}.")
        if before is not None and _measured_alike(before.card, result.model.card):
            earlier = before.card.metrics["mean_iou"]
            if result.metrics["mean_iou"] < earlier:
                words.append(f"That is worse than the model before ({earlier:.3f} on the same): train longer.")
        words += map(_sentence, words_on_painted(result.metrics))
    words += [*about_lattice(result.model.card), *map(_sentence, result.notes)]
    if result.steps < _FEW_STEPS:
        words.append("So few steps teach little: give it more time, or continue.")
    return " ".join(words)


def about_quick(model: SegmentationModel) -> str:
    """Say what to do with a quick model."""
    remarks = map(_sentence, model.card.training.get("remarks", ()))
    words = [*about_lattice(model.card), *remarks, "Paint where it is wrong; for shapes and context, train a U-Net."]
    return " ".join(words)


def about_lattice(card: ModelCard) -> list[str]:
    """Whether the model looks at lattice fringes, which was decided from the images."""
    seen = "Lattice fringes are seen: their spacings and directions are looked at, too."
    return [seen] if card.architecture.get("lattice") else []


def about_explaining(*, has_network: bool, is_quick: bool) -> str:
    """What the user should know of heatmaps: what they need, or which model they are of."""
    if not has_network:
        return "Heatmaps need a U-Net (Quick has none): train one above, or load its file."
    return "Heatmaps are of the U-Net, not of Quick." if is_quick else ""


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def about_places(planes: Sequence[int], *, whole_stack: bool) -> str:
    """What to do with the places marked; of a stack also on which planes they are."""
    if not planes:
        return "It is sure everywhere: nothing to mark."
    found = sorted(set(planes))
    several = "s" if len(found) > 1 else ""
    where = f" (plane{several} {', '.join(map(str, found))})" if whole_stack and max(found) else ""
    return f"Paint at the marked places{where}, then train again."


def _measured_alike(first: ModelCard, second: ModelCard) -> bool:
    """True if two models were measured on the same pixels: same images and strokes, held out in the same way."""

    def about(card: ModelCard) -> list[Any]:
        options = card.training.get("options", {})
        return [card.training.get("data"), card.metrics.get("held_out"), options.get("validation"), options.get("seed")]

    return "mean_iou" in first.metrics and about(first) == about(second)
