"""Training in a process of its own: the same result, pictures, stopping, cancelling, and processes that die."""

import json
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.segment import TrainOptions, annotated, dataset_of_strokes, predict, train, train_apart
from napari_visualccc.segment.worker import dataset_of, describe

SHORT = TrainOptions(steps=6, max_minutes=5, reduction="2", patch=128, batch=2, validation=0.0)
LONG = replace(SHORT, steps=500)


@pytest.fixture(scope="module")
def dataset(discs):
    image, mask = discs(0)
    strokes = np.zeros((3, *mask.shape), np.uint8)
    strokes[1, ::8] = mask[::8] + 1
    stack = np.stack([np.zeros_like(image), image, np.zeros_like(image)])
    return dataset_of_strokes(
        [annotated(stack, strokes, pixel_size=PixelSize(2, 2, "nm"), name="discs")], names={1: "ground", 2: "disc"}
    )


def children():
    return [one for one in psutil.Process().children() if "worker" in " ".join(one.cmdline())]


def test_a_job_comes_out_of_its_folder_as_it_went_in(dataset, tmp_path):
    describe(dataset, SHORT, tmp_path)
    again = dataset_of(json.loads((tmp_path / "job.json").read_text()), tmp_path)
    (item,) = again.items  # only the painted plane
    np.testing.assert_array_equal(item.image.read(0), dataset.items[0].image.read(1))
    np.testing.assert_array_equal(again.targets(item, 0), dataset.targets(dataset.items[0], 1))
    assert again.classes == dataset.classes
    assert item.pixel_size == PixelSize(2, 2, "nm")


def test_the_result_is_that_of_training_here(dataset, discs):
    moments = []
    apart = train_apart(dataset, SHORT, watch=moments.append)
    here = train(dataset, SHORT)
    assert [moment.step for moment in moments] == [1, 2, 3, 4, 5, 6]
    image, _ = discs(5)
    assert (predict(apart.model, image).labels == predict(here.model, image).labels).mean() > 0.995
    assert apart.steps == here.steps == 6
    assert apart.model.card.class_names == {1: "ground", 2: "disc"}
    assert apart.model.card.training["data"] == here.model.card.training["data"]
    assert apart.provenance.command == here.provenance.command
    assert len(apart.history) == len(here.history)
    on = train_apart(dataset, replace(SHORT, steps=9), state=apart.state)
    assert on.steps == 9


def test_pictures_follow_the_view_and_stopping_keeps_the_best(dataset, discs):
    views, pictures = [discs(3)[0], None, discs(4)[0][:100]], []
    result = train_apart(
        dataset, LONG, look=lambda: views.pop(0) if views else None, show=pictures.append,
        should_stop=lambda: bool(pictures),
    )  # fmt: skip
    assert result.stopped
    assert pictures[0].shape == (100, 192)
    assert set(np.unique(pictures[0])) <= {1, 2}
    assert result.model.card.training["stopped"] is True


def test_cancelling_ends_the_process_at_once(dataset):
    reported = []

    def is_cancelled():
        return any("step" in message for _, message in reported)

    progress = Progress(lambda fraction, message: reported.append((fraction, message)), is_cancelled)
    with pytest.raises(Cancelled):
        train_apart(dataset, LONG, progress=progress)
    assert not children()


def test_errors_arrive_as_what_they_are(dataset):
    with pytest.raises(OptionError, match="encoder 'nonsense' cannot be used"):
        train_apart(dataset, replace(SHORT, encoder="nonsense"))
    unknown = replace(dataset, classes=dataset.classes[:1])
    with pytest.raises(InputError, match="discs has the label 2"):
        train_apart(unknown, SHORT)


def test_a_killed_process_is_explained(dataset):
    def kill(fraction, message):
        if "step" in message:
            for one in children():
                one.kill()

    start = time.monotonic()
    with pytest.raises(OptionError, match="memory ran out"):
        train_apart(dataset, LONG, progress=Progress(kill))
    assert time.monotonic() - start < 120


def test_the_process_ends_when_its_parent_is_gone(dataset, tmp_path):
    """A parent number that no process has."""
    from napari_visualccc.segment import worker

    describe(dataset, LONG, tmp_path)
    worker.work(tmp_path, parent=2**22 + 1)
    assert not (tmp_path / worker.MODEL).exists()
    report = tmp_path / worker.REPORT
    assert not report.exists() or "done" not in report.read_text()
