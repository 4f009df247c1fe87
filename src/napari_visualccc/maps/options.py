"""How a map is made and asked: the options, readable without anything heavy."""

from __future__ import annotations

from dataclasses import dataclass

from napari_visualccc.core.params import Options, option
from napari_visualccc.models.embedding_options import EmbeddingOptions

METHODS = ("umap", "pca", "tsne", "pacmap")


@dataclass(frozen=True)
class MapOptions(EmbeddingOptions):
    """How micrographs are laid out."""

    method: str = option(
        "umap",
        label="Layout",
        help="'umap' keeps neighbours together; 'pca' shows the directions of greatest difference and keeps "
        "distances; 'tsne' separates groups most; 'pacmap' needs the package of that name.",
        choices=METHODS,
    )
    neighbours: int = option(
        15,
        label="Neighbours",
        help="How many neighbours of each micrograph are kept together: few show detail, many the whole.",
        minimum=2,
        maximum=500,
    )
    min_dist: float = option(
        0.1,
        label="Least distance",
        help="How close points may lie on a UMAP: small packs groups tightly.",
        minimum=0.0,
        maximum=2.0,
        step=0.05,
        advanced=True,
    )
    marks: bool = option(
        True,
        label="Leave out text and scale bars",
        help="What was written into a picture does not count.",
        advanced=True,
    )
    seed: int = option(0, label="Seed", help="Same seed, same map.", minimum=0, maximum=2**31 - 1, advanced=True)


@dataclass(frozen=True)
class PropertyOptions(Options):
    """How a map is asked for a property."""

    group: str = option(
        "auto",
        label="Group",
        help="Column that says which micrographs belong together (specimen, paper): they are never in training and "
        "test at once. 'auto' takes a column named group, specimen, sample or doi; 'none' takes every micrograph for "
        "itself.",
    )
    folds: int = option(5, label="Folds", help="Parts of the cross-validation.", minimum=2, maximum=50, advanced=True)
    knn: int = option(
        10,
        label="Nearest",
        help="Neighbours whose mean predicts.",
        minimum=1,
        maximum=200,
        advanced=True,
    )
    permutations: int = option(
        999,
        label="Permutations",
        help="How often the property is shuffled to learn what chance would give.",
        minimum=0,
        maximum=99_999,
        advanced=True,
    )
    clusters: int = option(
        0,
        label="Clusters",
        help="Groups of alike micrographs whose mean property is given. 0: as many as separate best.",
        minimum=0,
        maximum=50,
        advanced=True,
    )
    seed: int = option(0, label="Seed", help="Of shuffling and clusters.", minimum=0, maximum=2**31 - 1, advanced=True)
