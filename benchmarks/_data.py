"""The real micrographs, as datasets of the package."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

from napari_visualccc.segment import Dataset, annotated, dataset_of_masks, pair_files

DATA = Path(os.environ.get("VISUALCCC_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
NAMES = {
    "superalloy": ("matrix", "secondary", "tertiary"),
    "ebc": ("other", "oxide", "crack"),
    "nanocomposite": ("polymer", "agglomerate"),
    "emps": ("background", "particle"),
}


def require_data() -> None:
    """Leave with a word if the micrographs are not here."""
    if not DATA.is_dir():
        sys.exit(f"real micrographs are not at {DATA}: set VISUALCCC_DATA to their folder")


def load(name: str) -> tuple[Dataset, Dataset]:
    """Training and validation images of a set, by its official split."""
    if name == "hrtem":
        return simulated_interphase()
    folder = DATA / name
    if name in ("superalloy", "ebc"):
        splits = [pair_files(folder / split / "images", folder / split / "masks") for split in ("train", "val")]
    elif name == "nanocomposite":
        pairs = pair_files(folder / "images", folder / "masks")
        splits = [[p for p in pairs if ("_0." in p.name) == held] for held in (False, True)]
    else:
        with (folder / "emps.csv").open(newline="") as file:
            split_of = {row["id"]: row["split"] for row in csv.DictReader(file)}
        pairs = pair_files(folder / "images", folder / "instances")
        splits = [[p for p in pairs if split_of.get(Path(p.name).stem) == split] for split in ("train", "val")]
    learnt = dataset_of_masks(splits[0], names=NAMES[name], binary=name == "emps")
    return learnt, learnt.with_items(splits[1])


def simulated_interphase(images: int = 8) -> tuple[Dataset, Dataset]:
    """Simulated HRTEM interphases at the default dose, other ones to learn from than to measure on."""
    from napari_visualccc.samples import HrtemOptions, hrtem

    items = []
    for seed in range(images + 2):
        sample = hrtem(HrtemOptions(seed=seed))
        items.append(annotated(sample.image, sample.labels, pixel_size=sample.pixel_size, name=f"interphase {seed}"))
    learnt = dataset_of_masks(items[2:], names=list(sample.class_names.values()))
    return learnt, learnt.with_items(items[:2])


def first(dataset: Dataset, count: int | None) -> Dataset:
    """The first few images of a dataset."""
    return dataset.with_items(dataset.items[:count])


def named(dataset: Dataset) -> list[str]:
    """File names."""
    return [item.name for item in dataset.items]
