"""What is recorded of a training: data, options, how far it came, and the curve it took."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.results import Provenance, fingerprint
from napari_visualccc.segment.annotations import Dataset
from napari_visualccc.segment.notes import data_flags, some_of
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.fit import TrainingState


def about_training(dataset: Dataset, begun: dict[str, str], held_out: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded of a training and known from its beginning, see `napari_visualccc.models.nn.fit.TrainingState`.

    Parameters
    ----------
    dataset
        Learnt from.
    begun
        What the network was filled with.
    held_out
        Recognises what is measured on.
    before
        The same of trainings that this one goes on from, whose images and first weights are its own, too.
    """
    return {
        "begun_with": before.get("begun_with", begun), "held_out_hash": held_out,
        "data": _data_of(dataset, before.get("data", ())),
    }  # fmt: skip


def record_of(
    dataset: Dataset,
    options: TrainOptions,
    state: TrainingState,
    device: str,
    seconds: float,
    arguments: Sequence[str] | None,
    stopped: bool,
) -> dict[str, Any]:
    """Record of a training, with those that it went on from: ``"provenance"``, and ``"training"`` for the card."""
    about = state.about or {"data": _data_of(dataset, state.earlier.get("data", ()))}
    names = some_of([item.name for item in dataset.items])
    command = shlex.join(["visualccc", "segment", "train", *data_flags(dataset, arguments), *to_arguments(options)])
    provenance = Provenance(
        "segment train", options.as_dict(), names, about["data"][0]["hash"], command, options.seed, None, seconds
    )
    earlier = state.earlier
    steps = earlier.get("steps", 0)
    training = {
        "options": options.as_dict(), **about, "steps": steps + state.step,
        "best_step": steps + state.best_step, "seconds": round(earlier.get("seconds", 0) + state.seconds, 1),
        "device": str(device), "seed": options.seed, "stopped": stopped, "command": command,
    }  # fmt: skip
    if earlier:
        training["continued_after"] = steps
    return {"provenance": provenance, "training": training}


def _data_of(dataset: Dataset, before: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Names and hashes of images and labels, then those of trainings before that are of other images."""
    data = [{"name": item.name, "hash": fingerprint(item.image), "labels": fingerprint(item.labels)}
            for item in dataset.items]  # fmt: skip
    seen = {one["hash"] for one in data}
    return data + [one for one in before if one["hash"] not in seen]


def history_of(state: TrainingState) -> pd.DataFrame:
    """One row per validation."""
    import pandas as pd

    return pd.DataFrame(state.history)
