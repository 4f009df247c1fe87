"""Training in a process of its own: ``python -m napari_visualccc.segment.worker FOLDER``; see `segment.apart`.

What the two processes tell each other lies in the folder:

=====================  =========================================================================
``job.json``           options, classes and images (in)
``image_0.npz`` …      grey values and labels of the painted planes of each image (in)
``state.safetensors``  of an earlier training, to go on from (in); of this one (out)
``view.npz``           grey values that the user looks at, and their pixel size; may change at any time (in)
``stop``               once it is there, the training ends with the best model so far (in)
``report.jsonl``       a line per step, validation and picture (out)
``picture.npy``        labels of what the user looks at (out)
``model.safetensors``  the model (out)
=====================  =========================================================================
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.core.runtime import Device
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.segment.annotations import Annotated, Dataset
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import Moment
    from napari_visualccc.segment.model import SegmentationModel

JOB, STATE, VIEW, STOP = "job.json", "state.safetensors", "view.npz", "stop"
REPORT, PICTURE, MODEL = "report.jsonl", "picture.npy", "model.safetensors"
# The viewer goes first when both want a core.
_NICENESS = 5
_REPORT_EVERY_S = 0.1
# Grey values of shape (Y, X), alone or with the size of their pixels.
View = NDArray[Any] | tuple[NDArray[Any], PixelSize]
_log = logging.getLogger(__name__)


class _Report:
    """Lines for the other process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0.0

    def __call__(self, **entry: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def progress(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY_S:
            self._last = now
            self(progress=[fraction, message])

    def moment(self, moment: Moment) -> None:
        known = [moment.step, moment.seconds, moment.done, moment.loss, dict(moment.scores), moment.is_last]
        self(moment=known)


def work(folder: Path, parent: int) -> None:
    """Train as the folder says; end when the process `parent` is gone."""
    import psutil

    from napari_visualccc.segment.training import train

    report = _Report(folder / REPORT)
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))

    def show(model: SegmentationModel) -> None:
        number = _draw(model, folder)
        if number is not None:
            report(picture=number)

    try:
        result = train(
            dataset_of(job, folder), TrainOptions(**job["options"]), device=job["device"], checkpoint=folder / STATE,
            watch=report.moment, preview=show, should_stop=(folder / STOP).exists,
            progress=Progress(report.progress, lambda: not psutil.pid_exists(parent)),
        )  # fmt: skip
        result.model.save(folder / MODEL)
        state = result.state
        report(done={
            "stopped": result.stopped, "device": result.model.card.training["device"], "step": state.step,
            "seconds": state.seconds, "best_step": state.best_step, "history": state.history,
            "earlier": state.earlier,
        })  # fmt: skip
    except Cancelled:
        pass
    except VisualCCCError as error:
        report(error=[type(error).__name__, str(error)])
    except Exception:  # noqa: BLE001 - told to the other process, which raises it
        report(crash=traceback.format_exc())


def _draw(model: SegmentationModel, folder: Path) -> int | None:
    """Write the picture of what the user looks at, and give the number of the view that it is of.

    None if there is no picture this time, which never ends a training.
    """
    from napari_visualccc.segment.prediction import predict

    if not (folder / VIEW).exists():
        return None  # nobody looks
    try:
        with np.load(folder / VIEW) as view:
            image, (y, x), unit, number = view["image"], view["pixel_size"], str(view["unit"]), int(view["number"])
        labels = predict(model, image, pixel_size=PixelSize(float(y), float(x), unit), rgb=False).labels
        with _replacing(folder / PICTURE) as temporary:
            np.save(temporary, labels)
    except Exception as error:  # noqa: BLE001 - an empty plane, a full disk, a view just being replaced: whatever it is
        _log.warning("no picture of the plane that is looked at: %s", error)
        return None
    return number


def save_view(folder: Path, view: View, number: int = 0) -> None:
    """Tell the training what the user looks at; by the number it tells of which view a picture is."""
    image, size = view if isinstance(view, tuple) else (view, PixelSize())
    with _replacing(folder / VIEW) as temporary:
        np.savez(temporary, image=image, pixel_size=[size.y, size.x], unit=size.unit, number=number)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Path to write to, so that a reader of `path` sees the old file or the new one, never half of one."""
    temporary = path.with_name("writing_" + path.name)
    try:
        yield temporary
        # On Windows a file that is being read cannot be replaced: there will be another picture.
        with contextlib.suppress(PermissionError):
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def describe(dataset: Dataset, options: TrainOptions, folder: Path, device: Device | str = Device.AUTO) -> None:
    """Write a job into a folder: only the planes that have labels."""
    items: list[dict[str, Any]] = []
    for item in dataset.items:
        planes = ((index, item.labels.read(index)) for index in range(len(item.labels)))
        painted = [(index, labels) for index, labels in planes if not np.isin(labels, dataset.ignore).all()]
        if not painted:
            continue
        name = f"image_{len(items)}.npz"
        image = np.stack([item.image.read(index) for index, _ in painted])
        np.savez(folder / name, image=image, labels=np.stack([labels for _, labels in painted]))
        size = item.pixel_size
        items.append({"file": name, "name": item.name, "pixel_size": [size.y, size.x, size.unit]})
    classes = [[one.value, one.name, list(one.colour)] for one in dataset.classes]
    job = {
        "options": options.as_dict(), "classes": classes, "items": items, "ignore": list(dataset.ignore),
        "binary": dataset.binary, "device": str(device),
    }  # fmt: skip
    (folder / JOB).write_text(json.dumps(job), encoding="utf-8")


def end_at_once(folder: Path) -> None:
    """Change a job that was broken off: nothing more is learnt, the best model so far is measured and handed out."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    job["options"]["steps"] = 1  # which the state is past
    (folder / JOB).write_text(json.dumps(job), encoding="utf-8")
    (folder / REPORT).unlink(missing_ok=True)


def dataset_of(job: dict[str, Any], folder: Path) -> Dataset:
    """Dataset as `describe` wrote it."""
    items = []
    for one in job["items"]:
        with np.load(folder / one["file"]) as arrays:
            image, labels = (Planes(arrays[key], rgb=False, name=one["name"]) for key in ("image", "labels"))
        y, x, unit = one["pixel_size"]
        items.append(Annotated(image, labels, PixelSize(y, x, unit), one["name"]))
    classes = (ClassInfo(value, name, tuple(colour)) for value, name, colour in job["classes"])
    return Dataset(tuple(items), tuple(classes), tuple(job["ignore"]), job["binary"])


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    work(Path(sys.argv[1]), int(sys.argv[2]))
