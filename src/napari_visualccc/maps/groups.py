"""Groups of alike micrographs, and the mean property of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.maps.files import MicrographMap
from napari_visualccc.maps.properties import components_of, groups_of
from napari_visualccc.maps.tables import numbers_of

if TYPE_CHECKING:
    import pandas as pd

_MOST_TRIED = 10
_MOST_JUDGED = 2000


def cluster_micrographs(made: MicrographMap, count: int = 0, seed: int = 0) -> NDArray[np.int64]:
    """Group micrographs by k-means of their vectors.

    Parameters
    ----------
    count
        Number of groups; 0 takes the one with the highest silhouette, of 2 to 10.

    Returns
    -------
    ndarray of int64
        1 … k, the largest group first.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    X = components_of(made)
    distinct = len(np.unique(X, axis=0))
    if count > distinct:
        raise OptionError(f"{count} clusters are more than the {distinct} different micrographs")
    if distinct < 3 and count == 0:
        return np.ones(len(X), np.int64)

    def fitted(k: int) -> NDArray[np.int64]:
        return np.asarray(KMeans(k, n_init=4, random_state=seed).fit_predict(X), np.int64)

    if count:
        labels = fitted(count)
    else:
        chosen = np.linspace(0, len(X) - 1, min(len(X), _MOST_JUDGED)).astype(int)
        tried = [fitted(k) for k in range(2, min(_MOST_TRIED, distinct - 1) + 1)]
        scores = [silhouette_score(X[chosen], one[chosen]) if len(set(one[chosen])) > 1 else -1 for one in tried]
        labels = tried[int(np.argmax(scores))]
    sizes = np.bincount(labels)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    return rank[labels]


def cluster_table(made: MicrographMap, labels: NDArray[np.int64], target: str, group: str = "auto") -> pd.DataFrame:
    """Mean of a property in each cluster with its 95 % interval.

    Returns
    -------
    DataFrame
        ``cluster``, ``n`` (micrographs with a value), ``groups``, ``mean``, ``low``, ``high``. Micrographs of a group
        are not independent: the interval is Student's over the means of groups; NaN if there is only one.
    """
    import pandas as pd
    from scipy.stats import t

    numbers, _ = numbers_of(made.table, target)
    groups, _ = groups_of(made, group, target)
    rows = []
    for cluster in np.unique(labels):
        inside = (labels == cluster) & np.isfinite(numbers)
        values = numbers[inside]
        names = np.unique(groups[inside])
        means = np.array([values[groups[inside] == name].mean() for name in names])
        mean = float(means.mean()) if len(means) else np.nan
        half = (
            float(t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else np.nan
        )
        rows.append({"cluster": int(cluster), "n": int(inside.sum()), "groups": len(names), "mean": mean,
                     "low": mean - half, "high": mean + half})  # fmt: skip
    return pd.DataFrame(rows)
