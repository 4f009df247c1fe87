"""Speed of segmentation against a plain loop and against MONAI, and what it costs in quality and memory.

    python benchmarks/bench_segment_speed.py [peers] [quality] [huge] [--encoder resnet18]

The peers run smp's ResNet-18 U-Net in float32, ours has the same encoder: the loop takes tiles of 512 with 25 % overlap
one by one, as the segmentation-models-pytorch examples do; MONAI's `sliding_window_inference` the same with a batch of
four.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _timing import best_of, report

from napari_visualccc.core.colours import label_colour
from napari_visualccc.core.runtime import peak_memory
from napari_visualccc.models.card import ClassInfo, ModelCard
from napari_visualccc.models.nn.encoders import shipped_weights, width_in
from napari_visualccc.models.nn.segmenter import Segmenter
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.segment import PredictOptions, SegmentationModel, predict

EDGE, TILE = 4096, 512


def model_of(encoder: str, classes: int = 3) -> SegmentationModel:
    torch.manual_seed(0)
    # As wide as one that begins with the weights of the package.
    architecture = Architecture(encoder=encoder, classes=classes, width=width_in(shipped_weights().get(encoder)))
    infos = tuple(ClassInfo(i, f"phase {i}", label_colour(i + 1)) for i in range(classes))
    return SegmentationModel(build(architecture).eval(), ModelCard("segment", architecture.as_dict(), infos))


def smp_network(encoder: str, classes: int = 3) -> Any:
    import segmentation_models_pytorch as smp

    return smp.Unet(encoder, encoder_weights=None, in_channels=1, classes=classes).eval()


@torch.inference_mode()
def plain_loop(network: Any, image: np.ndarray, classes: int) -> np.ndarray:
    """Tiles of 512 with 25 % overlap, one by one, summed up and divided."""
    step = TILE * 3 // 4
    total = torch.zeros(classes, *image.shape)
    count = torch.zeros(image.shape)
    starts = [sorted({*range(0, n - TILE, step), n - TILE}) for n in image.shape]
    for y in starts[0]:
        for x in starts[1]:
            tile = torch.from_numpy(image[y : y + TILE, x : x + TILE])[None, None]
            total[:, y : y + TILE, x : x + TILE] += network(tile)[0].softmax(0)
            count[y : y + TILE, x : x + TILE] += 1
    return (total / count).argmax(0).numpy()


@torch.inference_mode()
def monai(network: Any, image: np.ndarray) -> np.ndarray:
    from monai.inferers import sliding_window_inference

    scores = sliding_window_inference(torch.from_numpy(image)[None, None], (TILE, TILE), 4, network, overlap=0.25)
    return scores[0].argmax(0).numpy()


def peers(encoder: str) -> bool:
    image = np.random.default_rng(0).normal(size=(EDGE, EDGE)).astype(np.float32)
    model, network = model_of(encoder), smp_network(encoder)
    ours, _ = best_of(2, lambda: predict(model, image))
    loop, _ = best_of(1, lambda: plain_loop(network, image, 3))
    wanted = {"times faster than the plain loop": (loop / ours, ">=", 4.0)}
    try:
        sliding, _ = best_of(1, lambda: monai(network, image))
        wanted["times faster than MONAI"] = (sliding / ours, ">=", 4.0)
    except ImportError:
        sys.stderr.write("MONAI is not installed: left out\n")
    raw, tiles = raw_network(model, image)
    wanted["of the raw network's time"] = (ours / raw, "<=", 1.15)
    return report(
        "segmentation of 16 Mpx", wanted, seconds={"ours": ours, "loop": loop, "raw": raw}, tiles=tiles,
        megapixels_per_second=EDGE**2 / 1e6 / ours, encoder=encoder,
    )  # fmt: skip


def raw_network(model: SegmentationModel, image: np.ndarray) -> tuple[float, int]:
    """Seconds of the bare network, in the same number format, for as many tiles of the same size."""
    from napari_visualccc.core.tiles import fitting_size, overlapping_tiles

    options = PredictOptions()
    segmenter = Segmenter(model.network)
    size = fitting_size(image.shape, options.tile, options.overlap, model.network.multiple)
    tiles = len(overlapping_tiles(image.shape, size, options.overlap))
    precision = segmenter._precision
    tile = torch.zeros(1, 1, *size)  # what the network takes: see `takes_float32`
    tile = tile.contiguous(memory_format=precision.layout)

    @torch.inference_mode()
    def run() -> None:
        for _ in range(tiles):
            segmenter._network(tile)

    return best_of(2, run)[0], tiles


def quality(encoder: str) -> bool:
    """Mean IoU of the fast path against float32 in one piece, on real micrographs, after a minute of training."""
    from _data import load, require_data

    from napari_visualccc.core.scores import confusion_matrix, mean_iou
    from napari_visualccc.models.nn.precision import PLAIN
    from napari_visualccc.segment import TrainOptions, train

    require_data()
    learnt, measured = load("superalloy")
    model = train(learnt, TrainOptions(max_minutes=1, encoder=encoder), validation=measured).model
    exact_segmenter = Segmenter(model.network, "cpu", PLAIN)
    fast, exact = (np.zeros((3, 3), np.int64) for _ in range(2))
    for item in measured.items:
        truth = measured.targets(item, 0)
        tiled = PredictOptions(tile=256, overlap=64)
        fast += confusion_matrix(truth, predict(model, item.image, tiled).labels, 3)
        whole = predict(model, item.image, PredictOptions(tile=1024), segmenter=exact_segmenter)
        exact += confusion_matrix(truth, whole.labels, 3)
    lost = mean_iou(exact) - mean_iou(fast)
    return report(
        "quality of the fast path", {"mean IoU lost": (lost, "<=", 0.002)}, exact=mean_iou(exact), encoder=encoder
    )


def huge(encoder: str) -> bool:
    """A 16384² image on disk."""
    edge = 16384
    with tempfile.TemporaryDirectory() as folder:
        image = np.memmap(Path(folder) / "huge", np.uint16, "w+", shape=(edge, edge))
        rng = np.random.default_rng(0)
        for top in range(0, edge, 1024):
            image[top : top + 1024] = rng.integers(0, 4096, (1024, edge), np.uint16)
        seconds, _ = best_of(1, lambda: predict(model_of(encoder), image))
    return report(
        "16384 × 16384", {"peak memory in GB": (peak_memory() / 1e9, "<=", 4.0)}, seconds=seconds, encoder=encoder
    )


# The memory of a process is its peak: the large image goes first.
PARTS: dict[str, Callable[[str], bool]] = {"huge": huge, "peers": peers, "quality": quality}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--encoder", default="resnet18")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}: {', '.join(PARTS)}")
    met = [run(arguments.encoder) for name, run in PARTS.items() if name in (arguments.parts or PARTS)]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
