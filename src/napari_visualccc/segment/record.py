"""What is recorded of a training: data, options, how far it came, and the curve it took."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.results import Provenance, fingerprint
from napari_visualccc.segment.annotations import Dataset
from napari_visualccc.segment.notes import data_flags, some_of
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.fit import TrainingState


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
    data = [{"name": item.name, "hash": fingerprint(item.image), "labels": fingerprint(item.labels)}
            for item in dataset.items]  # fmt: skip
    names = some_of([one["name"] for one in data])
    command = shlex.join(["visualccc", "segment", "train", *data_flags(dataset, arguments), *to_arguments(options)])
    provenance = Provenance(
        "segment train", options.as_dict(), names, data[0]["hash"], command, options.seed, None, seconds
    )
    earlier = state.earlier
    steps = earlier.get("steps", 0)
    seen = {one["hash"] for one in data}
    before = [one for one in earlier.get("data", ()) if one["hash"] not in seen]
    training = {
        "options": options.as_dict(), "data": data + before, "steps": steps + state.step,
        "best_step": steps + state.best_step, "seconds": round(earlier.get("seconds", 0) + state.seconds, 1),
        "device": str(device), "seed": options.seed, "stopped": stopped, "command": command,
    }  # fmt: skip
    if earlier:
        training["continued_after"] = steps
    return {"provenance": provenance, "training": training}


def history_of(state: TrainingState) -> pd.DataFrame:
    """One row per validation."""
    import pandas as pd

    return pd.DataFrame(state.history)
