"""Spots of spectra by the classical detector, and by a small U-Net trained on simulated spectra: which wins.

    python benchmarks/bench_spots.py                       # train for eight minutes on one thread, then compare
    python benchmarks/bench_spots.py --minutes 1 --images 8

The network learns from the seeds 1000, 1001 …, at doses between a quarter and four times the default one; its
threshold is chosen on the seeds 0 to 7; both are compared on the seeds 100 to 115, of which neither has seen anything.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from _spots import CLASSICAL_GFLOP, DEFAULT_DOSE, EDGE, PUBLISHED_GFLOP, Tally, examples
from _timing import best_of, report
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_visualccc.processing import Spectrum, find_peaks, power_spectrum
from napari_visualccc.processing.spectral_background import Rings

TRAIN_FROM, VALIDATION, TEST = 1000, range(8), range(100, 116)
DOSES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the default one
_SPOT_BINS = 2.0  # radius of the disc that stands for a spot
_WIDTHS = (8, 24, 48, 96)
_CROP, _BATCH = 256, 4
_NEAREST_BINS = 12  # longest spacing looked for, 1 nm, is at bin 12.8 of the 512 × 0.025 nm


class SpotNetwork(nn.Module):
    """U-Net of four levels, 3 × 3 convolutions, 8 to 96 channels."""

    def __init__(self, wide: tuple[int, ...] = _WIDTHS) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(i, o) for i, o in zip([1, *wide[:-1]], wide, strict=True))
        self.up = nn.ModuleList(_block(low + high, high) for low, high in zip(wide[:0:-1], wide[-2::-1], strict=True))
        self.out = nn.Conv2d(wide[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Score of each bin."""
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        for block, above in zip(self.up, kept[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), above], 1))
        return self.out(x)


def _block(inside: int, outside: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for channels in (inside, outside):
        parts += [
            nn.Conv2d(channels, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*parts)


@dataclass(frozen=True)
class Lesson:
    """Half spectrum and half target, shape (512, 256): the columns from the zero frequency on."""

    values: NDArray[np.float32]
    target: NDArray[np.float32]


def whitened(spectrum: Spectrum) -> NDArray[np.float32]:
    """Half spectrum as the network sees it: logarithm of the power over its median on rings."""
    middle = EDGE // 2
    logs = np.log(np.maximum(spectrum.power, 1e-30))
    logs -= Rings.of(logs.shape, (middle, middle)).medians(logs)
    return np.ascontiguousarray(logs[:, middle:] / 2)


def lessons(images: int, seed: int) -> list[Lesson]:
    """Simulated spectra to learn from, of all doses."""
    made = []
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-EDGE // 2 : EDGE // 2, : EDGE // 2].astype(np.float32)
    for number in range(images):
        for one in examples([TRAIN_FROM + number], DEFAULT_DOSE * float(np.exp(rng.uniform(*np.log([0.25, 4.0]))))):
            target = np.zeros(y.shape, np.float32)
            for row, column in [*one.true, *(-one.true)]:
                target[np.hypot(y - row, x - column) <= _SPOT_BINS] = 1
            made.append(Lesson(whitened(one.spectrum), target))
    return made


def train(given: list[Lesson], minutes: float, seed: int) -> tuple[SpotNetwork, int]:
    """Network after so many minutes on this thread, and its steps."""
    torch.manual_seed(seed)
    network = SpotNetwork()
    end = time.perf_counter() + 60 * minutes
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    for steps, (values, target) in enumerate(_batches(given, np.random.default_rng(seed))):
        left = 1 - (end - time.perf_counter()) / (60 * minutes)
        if left >= 1:
            return network.eval(), steps
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, steps / 20 + 0.05) * 0.5 * (1 + np.cos(np.pi * left))
        score = network(values)
        likely = torch.sigmoid(score)
        overlap = 1 - (2 * (likely * target).sum() + 1) / ((likely + target).sum() + 1)
        loss = F.binary_cross_entropy_with_logits(score, target, pos_weight=torch.tensor(5.0)) + overlap
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise AssertionError("batches do not end")


def _batches(given: list[Lesson], rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Crops, upside down at random."""
    while True:
        pairs = []
        for number in rng.integers(len(given), size=_BATCH):
            one = given[int(number)]
            top = int(rng.integers(EDGE - _CROP + 1))
            part = slice(top, top + _CROP)
            pair = np.stack([one.values[part], one.target[part]])
            pairs.append(pair[:, ::-1] if rng.random() < 0.5 else pair)
        both = torch.from_numpy(np.ascontiguousarray(np.stack(pairs)))
        yield both[:, :1], both[:, 1:]


def network_spots(network: SpotNetwork, spectrum: Spectrum, threshold: float) -> NDArray[np.float64]:
    """Spots in bins from the middle: middles of the patches above the threshold."""
    return _middles(_probabilities(network, spectrum), threshold)


def _probabilities(network: SpotNetwork, spectrum: Spectrum) -> NDArray[np.float32]:
    with torch.inference_mode():
        return torch.sigmoid(network(torch.from_numpy(whitened(spectrum))[None, None]))[0, 0].numpy()


def _middles(likely: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    from scipy.ndimage import center_of_mass, label

    parts, count = label(likely > threshold)
    places = np.array(center_of_mass(likely, parts, range(1, count + 1))).reshape(-1, 2) - [EDGE // 2, 0]
    places = places[np.hypot(*places.T) >= _NEAREST_BINS]
    # A spot next to the column of zero frequency stands, mirrored, on its other side as well.
    twice = [i for i, one in enumerate(places) if (np.hypot(*(places[:i] + one).T) < 2 * _SPOT_BINS).any()]
    return np.delete(places, twice, axis=0)


def chosen_threshold(network: SpotNetwork) -> float:
    """Threshold of the best Dice on the validation seeds, over all doses."""
    levels = np.linspace(0.1, 0.98, 23)
    tallies = [Tally() for _ in levels]
    for dose in (0.25, 1.0, 4.0):
        for one in examples(VALIDATION, DEFAULT_DOSE * dose):
            likely = _probabilities(network, one.spectrum)
            for level, tally in zip(levels, tallies, strict=True):
                tally.add(one.true, _middles(likely, float(level)))
    return float(levels[int(np.argmax([tally.dice for tally in tallies]))])


def gflop(network: SpotNetwork) -> float:
    """Floating-point operations for one spectrum in billions."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 1, EDGE, EDGE // 2))
    return counter.get_total_flops() / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="Training of the network.")
    parser.add_argument("--images", type=int, default=40, help="Simulated images to learn from, four spectra each.")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network, steps = train(lessons(arguments.images, arguments.seed), arguments.minutes, arguments.seed)
    threshold = chosen_threshold(network)
    table = {}
    for dose in DOSES:
        classical, learnt = Tally(), Tally()
        for one in examples(TEST, DEFAULT_DOSE * dose):
            classical.add(one.true, find_peaks(one.spectrum, longest=1.0).place - EDGE // 2)
            learnt.add(one.true, network_spots(network, one.spectrum, threshold))
        table[f"{DEFAULT_DOSE * dose:g} e/Å²"] = {
            "classical": {"dice": classical.dice, **classical.as_dict()},
            "network": {"dice": learnt.dice, **learnt.as_dict()},
        }
    noise = [power_spectrum(np.random.default_rng(i).poisson(50, (EDGE, EDGE))) for i in range(50)]
    one = next(examples(TEST[:1]))
    seconds = {
        "classical": best_of(10, lambda: find_peaks(one.spectrum, longest=1.0))[0],
        "network": best_of(5, lambda: network_spots(network, one.spectrum, threshold))[0],
    }
    usual = table[f"{DEFAULT_DOSE:g} e/Å²"]
    best = max(("classical", "network"), key=lambda name: np.mean([row[name]["dice"] for row in table.values()]))
    met = report(
        "spots",
        {
            "Dice at the default dose, classical": (usual["classical"]["dice"], ">=", 0.90),
            "GFLOP, classical / published network": (CLASSICAL_GFLOP / PUBLISHED_GFLOP, "<=", 0.01),
        },
        wins=best,
        doses=table,
        noise_images_with_a_spot={
            "classical": float(np.mean([len(find_peaks(s, longest=12.8)) > 0 for s in noise])),
            "network": float(np.mean([len(network_spots(network, s, threshold)) > 0 for s in noise])),
        },
        gflop={"classical": CLASSICAL_GFLOP, "network": gflop(network), "published": PUBLISHED_GFLOP},
        ms_per_spectrum={name: 1000 * value for name, value in seconds.items()},
        network={"parameters": sum(p.numel() for p in network.parameters()), "steps": steps, "threshold": threshold,
                 "minutes": arguments.minutes, "spectra": 4 * arguments.images},
    )  # fmt: skip
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
