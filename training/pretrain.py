"""Pre-train the default segmentation network on simulated micrographs: one command, resumable.

    python training/pretrain.py --minutes 60 [--images 2400] [--encoder resnet18] [--weights FILE --keep-encoder]
                                [--real FOLDER …] [--output build/pretraining]

Makes a pool of simulated micrographs (`micrographs.py`), learns to tell everything that is known of them, and writes
the weights with a card, large kernels in 8 bits, ready to be shipped. Cut off, it goes on from its last checkpoint.

Learnt at once, per pixel: what kind of object it belongs to (11 kinds), whether it lies on an outline, the grey value
without noise, texture and shading, and the distance to the nearest outline. Kinds are told by shape and size, never by
grey value: bright and dark are random. Besides, without any truth: to see in a disturbed micrograph what an encoder
that knows photographs sees in it as it is (`pupil.py`). Real micrographs, which nobody has labelled, can take part in
that; by default none do, so that results on real data are not biased by pre-training.

With ``--keep-encoder`` the encoder stays to the bit what it was, and the rest of the network learns to read it: what
classifiers and maps see does not change, and a segmentation network no longer begins with a decoder that knows nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from micrographs import MOST_DISTANCE, micrograph
from microstructures import KINDS
from numpy.typing import NDArray
from pupil import Pupil, photographs_teacher
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core import scores
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.runtime import choose_device, random_generator
from napari_visualccc.io.readers import read_folder
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.compact import NOTE, compact, joined
from napari_visualccc.models.files import read_card, save_model
from napari_visualccc.models.nn.encoders import begin, weights_for, width_in
from napari_visualccc.models.nn.fit import Moment, fit
from napari_visualccc.models.nn.precision import fastest_precision
from napari_visualccc.models.nn.schedule import Schedule
from napari_visualccc.models.nn.unet import Architecture, SegmentationNetwork, build
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.states import fill
from napari_visualccc.segment.checkpoints import read_checkpoint, write_checkpoint

SIZE = 512
HELD_OUT = 24
CHANNELS = ("image", "clean", "kinds", "outlines", "distance")
# Outputs of the network beside the kinds: outline, clean grey, distance.
EXTRA = 3
PATCH, BATCH = 192, 8
LICENCE = "BSD-3-Clause"
# Parts of the network that are kept with the encoder.
KEPT = ("greys.", "encoder.")
# Patches of real micrographs that join each batch, if there are any.
REAL = 4


def simulate(number: int) -> NDArray[np.uint8]:
    """One micrograph and its truths as an array (5, Y, X)."""
    made = micrograph(number, SIZE)
    return np.stack([np.asarray(getattr(made, name), np.uint8) for name in CHANNELS])


def pool(path: Path, count: int) -> NDArray[np.uint8]:
    """Simulated micrographs from a file, which is made if it is not there; shape (count, 5, Y, X)."""
    if not path.exists():
        part = path.with_suffix(".part.npy")
        made = np.lib.format.open_memmap(part, "w+", np.uint8, (count, len(CHANNELS), SIZE, SIZE))
        with ProcessPoolExecutor() as workers:
            for number, one in enumerate(workers.map(simulate, range(count), chunksize=8)):
                made[number] = one
        made.flush()
        part.rename(path)
    found: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    if len(found) != count:
        raise SystemExit(f"{path} holds {len(found)} images, not {count}: remove it or say --images {len(found)}")
    return found


class Everything:
    """All truths of simulated micrographs; a `napari_visualccc.models.nn.fit.Task`."""

    def __init__(
        self, images: NDArray[np.uint8], seed: int, device: str, real: Sequence[NDArray[np.float32]] = ()
    ) -> None:
        self._learnt, self._held = images[HELD_OUT:], images[:HELD_OUT]
        self._seed, self._device, self._real = seed, device, real
        self._scales: dict[int, GreyScale] = {}

    def batch(self, step: int, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches (N, 1, Y, X) and the truths (`BATCH`, 4, Y, X) of the first: kind, outline, clean grey, distance."""
        rng = random_generator(self._seed, 7, step)
        # Of the disturbances that the network is shown.
        torch.manual_seed(int(rng.integers(2**62)))
        pairs = [self._patch(rng) for _ in range(BATCH)]
        images, truths = (list(part) for part in zip(*pairs, strict=True))
        if self._real:
            images += [self._real_patch(rng) for _ in range(REAL)]
        return tuple(torch.from_numpy(np.stack(part)).to(self._device) for part in (images, truths))

    def _real_patch(self, rng: np.random.Generator) -> NDArray[np.float32]:
        plane = self._real[int(rng.integers(len(self._real)))]
        y, x = (int(rng.integers(0, n - PATCH + 1)) for n in plane.shape)
        return np.ascontiguousarray(np.rot90(plane[y : y + PATCH, x : x + PATCH], int(rng.integers(4)))[None])

    def _patch(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        number = int(rng.integers(len(self._learnt)))
        y, x = rng.integers(0, SIZE - PATCH + 1, 2)
        part = self._learnt[number, :, y : y + PATCH, x : x + PATCH]
        part = np.rot90(part, int(rng.integers(4)), (1, 2))
        if rng.random() < 0.5:
            part = part[:, :, ::-1]
        if number not in self._scales:
            self._scales[number] = GreyScale.of(self._learnt[number, 0, ::4, ::4])
        return prepared(part, self._scales[number])

    def loss(self, found: tuple[torch.Tensor, torch.Tensor], targets: torch.Tensor, done: float) -> torch.Tensor:
        """Losses of all truths, each about as large as the others, and of what the teacher sees otherwise."""
        outputs = found[0][: len(targets)].float()
        kinds, outline, clean, distance = outputs.split([len(KINDS), 1, 1, 1], dim=1)
        truth = targets.split(1, dim=1)
        return (
            F.cross_entropy(kinds, truth[0][:, 0].long())
            + 2 * F.binary_cross_entropy_with_logits(outline, truth[1], pos_weight=outline.new_tensor(2.0))
            + 2 * F.smooth_l1_loss(clean, truth[2], beta=0.2)
            + F.smooth_l1_loss(distance, truth[3], beta=0.2)
            + 2 * found[1].mean()
        )

    def words(self, scores: Mapping[str, float]) -> str:
        """Mean IoU of the kinds."""
        return f"mean IoU {scores['score']:.3f}"

    @torch.inference_mode()
    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """IoU of the kinds over the micrographs held out, and how well the rest is told."""
        matrix = np.zeros((len(KINDS), len(KINDS)), np.int64)
        errors = []
        for one in self._held:
            image, truth = prepared(np.asarray(one), GreyScale.of(one[0, ::4, ::4]))
            found, unlike = network(torch.from_numpy(image)[None].to(self._device))
            outputs = found.float().cpu()[0]
            matrix += scores.confusion_matrix(one[2], outputs[: len(KINDS)].argmax(0).numpy(), len(KINDS))
            outline = outputs[len(KINDS)].numpy() > 0
            both = np.logical_and(outline, one[3]).sum()
            errors.append([
                float(np.abs(outputs[len(KINDS) + 1].numpy() - truth[2]).mean()),
                float(np.abs(outputs[len(KINDS) + 2].numpy() - truth[3]).mean()),
                float(2 * both / max(outline.sum() + one[3].sum(), 1)),
                float(1 - unlike.mean()),
            ])  # fmt: skip
        clean, distance, dice, seen = np.mean(errors, axis=0)
        return {
            "score": scores.mean_iou(matrix),
            "clean_error": clean,
            "distance_error": distance,
            "outline_dice": dice,
            "teacher_cosine": seen,
        }


def prepared(part: NDArray[np.uint8], scale: GreyScale) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Normalised image (1, Y, X) and truths (4, Y, X) of a patch (5, Y, X)."""
    grey = scale.apply(part[0].astype(np.float32))
    clean = scale.apply(part[1].astype(np.float32))
    distance = np.log2(1 + part[4].astype(np.float32)) / np.log2(1 + MOST_DISTANCE)
    truths = np.stack([part[2].astype(np.float32), part[3].astype(np.float32), clean, distance])
    return np.ascontiguousarray(grey[None]), np.ascontiguousarray(truths)


def real_planes(folders: Sequence[Path]) -> list[NDArray[np.float32]]:
    """Micrographs of folders, normalised; those smaller than a patch are left out."""
    found = []
    for folder in folders:
        for signal in read_folder(folder):
            planes = Planes(signal.data, rgb=signal.rgb, name=str(folder))
            for plane in (planes.plane(index) for index in range(len(planes))):
                if min(plane.shape) >= PATCH:
                    found.append(GreyScale.of(plane[::4, ::4]).apply(plane))
    return found


@torch.inference_mode()
def likeness(first: SegmentationNetwork, second: SegmentationNetwork, images: NDArray[np.uint8]) -> dict[str, float]:
    """How alike two networks see micrographs (N, Y, X).

    Returns
    -------
    dict
        Smallest cosine over the micrographs between the encoders' levels (``encoder``, ``deepest``), between the
        decoders, and between the scores of the kinds; share of pixels of the same kind.
    """
    found: dict[str, list[float]] = {"encoder": [], "deepest": [], "decoder": [], "scores": [], "same_kind": []}
    for plane in images:
        image = torch.from_numpy(GreyScale.of(plane).apply(plane.astype(np.float32)))[None, None]
        seen, scores_of = [], []
        for network in (first.eval().cpu(), second.eval().cpu()):
            levels = network.encoder(F.avg_pool2d(network.greys(image)[1], network.reduction))
            seen.append([*levels[1:], network.decoder(levels)])
            scores_of.append(network(image)[:, : len(KINDS)])
        *levels, decoder = (_cosine(one, other) for one, other in zip(*seen, strict=True))
        found["encoder"].append(min(levels))
        found["deepest"].append(levels[-1])
        found["decoder"].append(decoder)
        found["scores"].append(_cosine(*scores_of))
        found["same_kind"].append(float((scores_of[0].argmax(1) == scores_of[1].argmax(1)).double().mean()))
    worst = {name: min(values) for name, values in found.items()}
    return worst | {"same_kind": float(np.mean(found["same_kind"]))}


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(F.cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0))


def keep_encoder(network: SegmentationNetwork) -> dict[str, torch.Tensor]:
    """Let nothing be learnt up to the encoder; what it is, to be put back after training.

    Its normalisations take the statistics of what they are shown while the rest learns, as they will when a network
    begins with these weights; those that it came with are put back, for classifiers and maps.
    """
    for part in (network.greys, network.encoder):
        part.requires_grad_(False)
    return {name: value.clone() for name, value in network.state_dict().items() if name.startswith(KEPT)}


def to_ship(tensors: Mapping[str, torch.Tensor], kept: Mapping[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    """What to write: what was kept in half precision, large kernels of the rest in 8 bits."""
    found = compact({name: value.detach().cpu().numpy() for name, value in tensors.items() if name not in kept})
    for name, value in kept.items():
        found[name] = (value.half() if value.is_floating_point() else value).cpu().numpy()
    return found


def _asked() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--images", type=int, default=2400)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--weights", default="random", help="to begin with: random, auto, or a file")
    parser.add_argument("--keep-encoder", action="store_true", help="of a file of ours, and learn the rest only")
    parser.add_argument("--real", nargs="*", type=Path, default=[], help="folders of real micrographs, without truths")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("build/pretraining"))
    arguments = parser.parse_args()
    if arguments.keep_encoder and arguments.real:
        parser.error("--real is for the encoder, which --keep-encoder keeps as it is: choose one of them")
    return arguments


def main() -> int:
    """Simulate, learn, write."""
    arguments = _asked()
    arguments.output.mkdir(parents=True, exist_ok=True)
    images = pool(arguments.output / "pool.npy", arguments.images)
    device = choose_device("auto")
    torch.manual_seed(arguments.seed)
    width = width_in(weights_for(arguments.encoder, arguments.weights))
    architecture = Architecture(encoder=arguments.encoder, classes=len(KINDS) + EXTRA, width=width)
    network = build(architecture)
    begin(network, arguments.encoder, arguments.weights)
    kept = keep_encoder(network) if arguments.keep_encoder else {}
    pupil = Pupil(network, None if kept else photographs_teacher())
    real = real_planes(arguments.real)
    task = Everything(images, arguments.seed, str(device), real)
    checkpoint = arguments.output / f"{arguments.encoder}.checkpoint.safetensors"
    data = f"{arguments.images} simulated micrographs, seeds 0 …"
    if real:
        names = ", ".join(folder.resolve().parent.name for folder in arguments.real)
        data += f"; {len(real)} real micrographs without labels ({names})"
    about: dict[str, Any] = {"data": data, "kinds": KINDS, "begun_with": arguments.weights}
    licence = LICENCE
    if kept:
        theirs = read_card(Path(arguments.weights))
        about |= {"data": f"{theirs.training['data']}; behind the encoder, {data}", "encoder": dict(theirs.training)}
        licence = f"{theirs.licence} (encoder), {LICENCE} (the rest)"
    card = ModelCard("encoder", architecture.as_dict(), (), normalisation=GreyScale.METHOD, training=about)
    schedule = Schedule(seconds=arguments.minutes * 60, average=0.998, checks=max(4, round(arguments.minutes / 4)))

    def told(moment: Moment) -> None:
        if moment.scores or moment.step % 200 == 0:
            sys.stderr.write(f"{moment.step} {moment.seconds:.0f} s {moment.loss:.3f} {dict(moment.scores)}\n")

    state = fit(
        pupil, task, schedule, fastest_precision(device), device=str(device), watch=told,
        state=read_checkpoint(checkpoint, card), keep=lambda now: write_checkpoint(checkpoint, now, card),
    )  # fmt: skip
    metrics = state.scores | {"steps": state.step}
    network.load_state_dict(kept, strict=False)
    small = to_ship(network.state_dict(), kept)
    stored = build(architecture)
    fill(stored, joined(small), "the network just trained")
    about |= {"steps": state.step, "seconds": round(state.seconds), "device": str(device), "seed": arguments.seed}
    about |= {"stored": NOTE, "stored_likeness": likeness(network, stored, images[:HELD_OUT, 0])}
    final = ModelCard(
        "encoder", architecture.as_dict(), (), normalisation=GreyScale.METHOD, training=about, metrics=metrics,
        licence=licence,
    )  # fmt: skip
    path = save_model(arguments.output / f"{arguments.encoder}.safetensors", final, small)
    sys.stderr.write(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
