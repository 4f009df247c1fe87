"""Fine-tune: go on from Fast and train the whole network on crops.

Beginning with a head that is fitted already keeps what the encoder knows from being torn up by the first steps [1]_.

References
----------
.. [1] Kumar et al., Fine-tuning can distort pretrained features and underperform out-of-distribution, ICLR 2022,
   arXiv 2202.10054.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.calibration import fit_temperature, log_loss, softmax
from napari_visualccc.classify.dataset import Dataset
from napari_visualccc.classify.evaluation import Evaluation, evaluation_of
from napari_visualccc.classify.model import ClassificationModel
from napari_visualccc.classify.options import EvaluateOptions, TrainOptions
from napari_visualccc.classify.quality import Answers, metrics_of
from napari_visualccc.classify.splits import grouped_folds
from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import AUTO
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.models.micrographs import Micrograph, source_of
from napari_visualccc.models.symmetry import VIEWS

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_visualccc.classify.vectors import Looker
    from napari_visualccc.models.nn.fit import Moment, TrainingState
    from napari_visualccc.models.nn.schedule import Schedule

_LARGEST_CROP = 384
_CHECKS = 20
# Shares of the progress at which the images are read, the network is trained, and that is measured: nearly all is the
# training, so that the bar fits the training time.
_BEGUN, _TRAINED, _MEASURED = 0.05, 0.9, 0.95
NO_BETTER = "fine-tuning was no better on the images held out than Fast: the model is Fast's"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model, or the one it began with if that was better."""

    model: ClassificationModel
    evaluation: Evaluation | None
    history: list[dict[str, float]]
    notes: tuple[str, ...]


def fine_tune(
    model: ClassificationModel, learnt: Dataset, measured: Dataset | None, groups: NDArray[np.int64],
    options: TrainOptions, looker: Looker, *, watch: Callable[[Moment], None] | None,
    should_stop: Callable[[], bool] | None, progress: Progress,
) -> Tuned:  # fmt: skip
    """Train the network of a fast model further; early stopping on the validation split, or on a fold kept aside."""
    from napari_visualccc.models.nn.fit import Diverged, fit
    from napari_visualccc.models.nn.precision import fastest_precision
    from napari_visualccc.models.nn.schedule import Schedule

    teach = np.arange(len(learnt))
    if measured is not None:
        held, how = measured, "validation split (also used to stop in time)"
    else:
        folds = grouped_folds(learnt.targets, groups, options.folds, options.seed)
        if not folds:
            raise OptionError("there are too few groups to hold any out: fine-tuning needs more, or a split 'val'")
        teach = folds[0].learnt
        held = learnt.chosen(folds[0].measured)
        how = "a fold of groups kept aside (also used to stop in time)"
    task = _Task(model, learnt.chosen(teach), held, options, looker, progress.part(0, _BEGUN))
    steps = options.epochs * math.ceil(len(teach) / options.batch)
    schedule = Schedule(
        seconds=options.max_minutes * 60, steps=steps, learning_rate=options.learning_rate, average=0.98,
        checks=_CHECKS,
    )  # fmt: skip
    with _heard(model.network, progress.check):
        progress(_BEGUN, "measuring on the images held out")
        before = task.validate(model.network)
        task.loss_of_fast = -before["score"]
        progress(_BEGUN, "first step")
        try:
            state = fit(
                model.network, task, schedule, fastest_precision(looker.device), device=looker.device, watch=watch,
                should_stop=lambda: task.is_tired or (should_stop is not None and should_stop()),
                progress=progress.part(_BEGUN, _TRAINED),
            )  # fmt: skip
        except Diverged as error:
            raise OptionError(f"training went astray ({error}): choose a smaller learning rate") from error
        is_better = state.scores.get("score", -math.inf) > before["score"]
        if not is_better:
            task.restore()
        progress(_TRAINED, "measuring on the images held out")
        network = model.network.cpu()
        scores = task.scores(network)
    temperature = fit_temperature(scores, held.targets)
    tuned = replace(model, network=network.eval(), temperature=temperature)
    evaluation = evaluation_of(held, softmax(scores, temperature), EvaluateOptions(seed=options.seed), how)
    if is_better:
        # another encoder: what is familiar is learnt anew, through its eyes
        tuned = _familiar_again(tuned, learnt, groups, options, looker, progress.part(_MEASURED, 1))
    history = [_row(one) for one in state.history]
    return Tuned(tuned, evaluation, history, _words_on(state, schedule, options.epochs, is_better=is_better))


def _row(look: Mapping[str, float]) -> dict[str, float]:
    """A look at the planes held out, for people: the log-loss, not what is to be made large."""
    return {name: value for name, value in look.items() if name != "score"} | {"validation_loss": -look["score"]}


def _words_on(state: TrainingState, schedule: Schedule, epochs: int, *, is_better: bool) -> tuple[str, ...]:
    notes = []
    if state.step < schedule.steps and state.seconds >= schedule.seconds:
        seen = epochs * state.step / schedule.steps
        notes.append(
            f"the training time was over after {seen:.3g} of {epochs} epochs, before the last ones, which refine: give "
            "it more time or fewer epochs"
        )
    if not is_better:
        notes.append(NO_BETTER)
    return tuple(notes)


@contextmanager
def _heard(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Meanwhile `check`, which cancels, is called after each layer, forth and back.

    One step takes many seconds on a CPU, and a look at all planes held out takes a minute.
    """

    def hear(layer: nn.Module, inputs: Any, output: Any) -> None:
        check()
        if getattr(output, "requires_grad", False):
            output.register_hook(lambda gradient: check())

    layers = [one for one in network.modules() if not list(one.children())]
    handles = [layer.register_forward_hook(hear) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _familiar_again(
    model: ClassificationModel, learnt: Dataset, groups: NDArray[np.int64], options: TrainOptions, looker: Looker,
    progress: Progress,
) -> ClassificationModel:  # fmt: skip
    from napari_visualccc.classify.unlike import Familiar
    from napari_visualccc.models.states import weights

    digest = hashlib.blake2b(digest_size=16)
    for value in weights(model.network).values():
        digest.update(value.tobytes())
    name = f"blake2b:{digest.hexdigest()}"
    card = replace(model.card, architecture={**model.card.architecture, "weights_hash": name})
    model = replace(model, card=card)
    own = model.looker(looker.device)
    seen = own.look(learnt.micrographs, progress=progress).vectors
    return replace(model, familiar=Familiar.of(seen, groups, seed=options.seed))


class _Task:
    """Batches of crops, the loss, and log-loss on planes held out; a `napari_visualccc.models.nn.fit.Task`."""

    def __init__(
        self, model: ClassificationModel, learnt: Dataset, held: Dataset, options: TrainOptions, looker: Looker,
        progress: Progress,
    ) -> None:  # fmt: skip
        self._network, self._options, self._device = model.network, options, looker.device
        self._temperature = model.temperature
        self._begin = {name: value.detach().clone() for name, value in model.network.state_dict().items()}
        both = (*learnt.micrographs, *held.micrographs)
        images = [_whole(one, looker) for one in progress.steps(both, message="reading the images")]
        self._images, self._held_images = images[: len(learnt)], images[len(learnt) :]
        self._targets = learnt.targets
        self._held = held
        counts = np.bincount(self._targets, minlength=len(learnt.classes))
        worth = (1.0 / np.maximum(counts, 1)) ** options.rare_weight
        self._weights = worth / (worth * counts).sum() * counts.sum()
        shorter = min(min(image.shape) for image in self._images)
        self._crop = min(shorter, _LARGEST_CROP) if options.crop == AUTO else min(int(options.crop), shorter)
        self._best, self._since = -math.inf, 0
        self.loss_of_fast = math.nan

    @property
    def is_tired(self) -> bool:
        """True when so many looks at the planes held out were no better."""
        return self._since >= self._options.patience

    def restore(self) -> None:
        """Give the network the weights it began with."""
        self._network.load_state_dict(self._begin)

    def batch(self, step: int, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops (N, 1, Y, X) and their classes (N,)."""
        import torch

        from napari_visualccc.models.nn.patches import Augmentation, disturb

        rng = random_generator(self._options.seed, 21, step)
        chosen = rng.integers(0, len(self._images), self._options.batch)
        crops = torch.from_numpy(np.stack([self._cut(self._images[n], rng) for n in chosen])[:, None])
        generator = torch.Generator(self._device).manual_seed(int(rng.integers(2**62)))
        looks = Augmentation(symmetry=self._options.symmetry, contrast=0.15, noise=0.1, blur=0.7)
        targets = torch.from_numpy(self._targets[chosen]).to(self._device)
        return disturb(crops.to(self._device), looks, generator), targets

    def _cut(self, image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        top, left = (int(rng.integers(0, n - self._crop + 1)) for n in image.shape)
        part = image[top : top + self._crop, left : left + self._crop]
        views = VIEWS[self._options.symmetry]
        turns, mirrored = views[int(rng.integers(len(views)))]
        part = part[:, ::-1] if mirrored else part
        return np.ascontiguousarray(np.rot90(part, turns))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, done: float) -> torch.Tensor:
        """Cross entropy, rare classes counting more."""
        import torch
        from torch.nn import functional as F

        weights = torch.as_tensor(self._weights, dtype=torch.float32, device=outputs.device)
        return F.cross_entropy(outputs.float() / self._temperature, targets.long(), weights)

    def scores(self, network: nn.Module) -> Floats:
        """The network's scores of the planes held out."""
        import torch

        device = next(network.parameters()).device
        with torch.inference_mode():
            rows = [network(torch.from_numpy(image)[None, None].to(device)) for image in self._held_images]
        return np.concatenate([row.double().cpu().numpy() for row in rows])

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Score: minus the log-loss; also accuracies."""
        scores = self.scores(network)
        targets = self._held.targets
        loss = log_loss(scores, targets, self._temperature)
        better = -loss > self._best
        self._best, self._since = max(self._best, -loss), 0 if better else self._since + 1
        answers = Answers(targets, softmax(scores, self._temperature), self._held.groups, self._held.names)
        metrics = metrics_of(answers)
        return {"score": -loss, "balanced_accuracy": metrics["balanced_accuracy"],
                "weighted_accuracy": metrics["weighted_accuracy"]}  # fmt: skip

    def words(self, scores: Mapping[str, float]) -> str:
        """Accuracy on the planes held out, and the log-loss, which decides, beside that of the model begun with."""
        loss, accuracy = -scores["score"], scores["balanced_accuracy"]
        return f"balanced accuracy {accuracy:.3f}, validation loss {loss:.3f} (Fast {self.loss_of_fast:.3f})"


def _whole(item: Micrograph, looker: Looker) -> NDArray[np.float32]:
    """Normalised plane, marks hidden."""
    read, _, shape = source_of(looker.shown(item), looker.options)
    return read((slice(0, shape[0]), slice(0, shape[1])))
