"""Splits that keep groups together and classes in proportion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Places of the planes to learn from and to measure on."""

    learnt: Places
    measured: Places


def grouped_folds(targets: Places, groups: Places, folds: int, seed: int = 0) -> list[Fold]:
    """Stratified folds that keep groups together.

    Parameters
    ----------
    targets
        Class of each plane.
    groups
        Group of each plane.
    folds
        How many are wanted; fewer are made if there are fewer groups.
    seed
        Of the order in which groups are dealt.

    Returns
    -------
    list of Fold
        Every plane is measured once. A fold from which a class could not be learnt at all is left out, so that its
        planes are not measured; empty if no split is possible (each class in one group only).

    Notes
    -----
    scikit-learn's `StratifiedGroupKFold`; with a group per plane, `StratifiedKFold`, which is fairer to rare classes.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    count = min(folds, len(np.unique(groups)))
    if count < 2:
        return []
    present = np.unique(targets)
    alone = len(np.unique(groups)) == len(groups)
    rarest = int(np.bincount(targets)[present].min())
    if alone and rarest >= 2:
        # no more parts than the rarest class has planes, or parts without it would be dealt
        splitter = StratifiedKFold(max(2, min(count, rarest)), shuffle=True, random_state=seed)
    else:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    found = []
    for learnt, measured in _quietly(splitter, targets, groups):
        if len(np.unique(targets[learnt])) == len(present) and len(measured):
            found.append(Fold(learnt, measured))
    return found


def _quietly(splitter: object, targets: Places, groups: Places) -> Iterator[tuple[Places, Places]]:
    """Splits, without scikit-learn's warning that a class is rarer than there are folds: we look ourselves."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield from splitter.split(np.zeros(len(targets)), targets, groups)  # type: ignore[attr-defined]


def joined_groups(groups: Places, pairs: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> Places:
    """Groups in which planes that are (nearly) the same picture belong together, too.

    Parameters
    ----------
    groups
        Group of each plane.
    pairs
        Places of planes that belong together.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = list(pairs)
    if not pairs:
        return groups
    first, second = np.array(pairs, np.int64).T
    count = int(groups.max()) + 1
    links = coo_array((np.ones(len(pairs)), (groups[first], groups[second])), shape=(count, count))
    _, component = connected_components(links, directed=False)
    return np.asarray(component, np.int64)[groups]
