"""Training in a process of its own: the same result, pictures, stopping, cancelling, and processes that die."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress, silent
from napari_visualccc.segment import (
    TrainOptions,
    annotated,
    apart,
    dataset_of_strokes,
    predict,
    train,
    train_apart,
    worker,
)
from napari_visualccc.segment.holdout import held_out_hash
from napari_visualccc.segment.preparation import planes_of
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
    hashes = {
        held_out_hash(planes_of(one, None, PixelSize(), replace(SHORT, validation=0.3), silent(None))[1])
        for one in (dataset, again)
    }
    assert len(hashes) == 1, "a training gone on with here and one there are compared alike"
    assert item.pixel_size == PixelSize(2, 2, "nm")


def test_planes_of_a_stack_stay_together_in_a_job(discs, tmp_path):
    image, mask = discs(0)
    painted, unpainted = mask + 1, np.zeros_like(mask)
    stack = annotated(np.stack([image] * 5), np.stack([painted, unpainted, *[painted] * 3]), name="stack")
    describe(dataset_of_strokes([stack, annotated(image, painted, name="other")]), SHORT, tmp_path)
    again = dataset_of(json.loads((tmp_path / "job.json").read_text()), tmp_path)
    assert [(item.name, len(item.image)) for item in again.items] == [("stack", 4), ("other", 1)]
    np.testing.assert_array_equal(again.items[0].labels.read(3), painted)


def test_the_device_asked_for_is_used(dataset, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the process sees no GPU
    with pytest.raises(OptionError, match="device 'cuda' was asked for"):
        train_apart(dataset, SHORT, device="cuda")


def test_the_result_is_that_of_training_here(dataset, discs):
    moments = []
    there = train_apart(dataset, SHORT, watch=moments.append)
    here = train(dataset, SHORT)
    assert [moment.step for moment in moments] == [1, 2, 3, 4, 5, 6]
    image, _ = discs(5)
    # Not all: a process chooses threads and memory layout for itself, and sums round in another order.
    assert (predict(there.model, image).labels == predict(here.model, image).labels).mean() > 0.98
    assert there.steps == here.steps == 6
    assert [moment.is_last for moment in moments] == [False] * 5 + [True]
    assert there.model.card.class_names == {1: "ground", 2: "disc"}
    assert there.model.card.training["data"] == here.model.card.training["data"]
    assert there.provenance.command == here.provenance.command
    assert len(there.history) == len(here.history)
    on = train_apart(dataset, replace(SHORT, steps=9), state=there.state)
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


def test_a_picture_of_what_was_looked_at_before_is_not_shown(tmp_path, discs):
    shown = []
    conversation = apart._Conversation(tmp_path, None, shown.append, silent(None))
    for seed in (3, 4):
        conversation.hand_over(lambda seed=seed: discs(seed)[0])
    np.save(tmp_path / worker.PICTURE, np.ones((2, 2)))
    conversation._take({"picture": 1})
    assert not shown
    conversation._take({"picture": 2})
    assert len(shown) == 1


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


@pytest.mark.parametrize("again", [False, True])
def test_a_process_killed_later_leaves_its_best_model(dataset, again, monkeypatch):
    """With an error if not even that can be measured."""

    def kill(moment):
        if moment.scores:
            for one in children():
                one.kill()

    if again:
        monkeypatch.setattr(worker, "end_at_once", lambda folder: (folder / worker.JOB).unlink())
        with pytest.raises(OptionError, match="memory ran out"):
            train_apart(dataset, LONG, watch=kill)
        return
    result = train_apart(dataset, LONG, watch=kill)
    assert 0 < result.steps < 500
    assert result.stopped
    assert "memory ran out" in result.broke_off
    assert result.notes[0].startswith("the training broke off, this is the best model so far: the system ended")
    assert result.model.card.training["options"]["steps"] == 500
    assert train_apart(dataset, replace(SHORT, steps=result.steps + 1), state=result.state).steps == result.steps + 1


def test_the_process_ends_when_its_parent_is_gone(dataset, tmp_path):
    """A parent number that no process has."""
    describe(dataset, LONG, tmp_path)
    worker.work(tmp_path, parent=2**22 + 1)
    assert not (tmp_path / worker.MODEL).exists()
    report = tmp_path / worker.REPORT
    assert not report.exists() or "done" not in report.read_text()


def empty():
    """A plane without a finite pixel."""
    return np.full((40, 50), np.nan)


def unreadable():
    """A plane whose file is gone."""
    raise OSError("the file is gone")


@pytest.mark.parametrize("view", [empty, unreadable])
def test_what_cannot_be_drawn_does_not_end_a_training(dataset, view):
    views, pictures = [view], []
    result = train_apart(dataset, SHORT, look=lambda: views.pop()() if views else None, show=pictures.append)
    assert result.steps == 6
    assert not pictures


def test_a_full_disk_costs_the_picture_not_the_training(trained, tmp_path, monkeypatch, discs):
    worker.save_view(tmp_path, discs(3)[0], 1)
    assert worker._draw(trained.model, tmp_path) == 1
    picture = (tmp_path / worker.PICTURE).read_bytes()

    def full(path, labels):
        path.write_bytes(b"half a pic")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert worker._draw(trained.model, tmp_path) is None
    assert (tmp_path / worker.PICTURE).read_bytes() == picture
    assert {path.name for path in tmp_path.iterdir()} == {worker.VIEW, worker.PICTURE}


@pytest.mark.parametrize("size", [None, PixelSize(2, 2, "nm"), PixelSize(4, 4, "nm")])
def test_the_picture_is_seen_at_the_pixel_size_of_the_view(trained, tmp_path, discs, size):
    image = discs(3)[0]
    worker.save_view(tmp_path, image if size is None else (image, size), 7)
    assert worker._draw(trained.model, tmp_path) == 7
    expected = predict(trained.model, image, pixel_size=size)
    assert expected.rescaled == ((2.0, 2.0) if size == PixelSize(4, 4, "nm") else (1.0, 1.0))
    np.testing.assert_array_equal(np.load(tmp_path / worker.PICTURE), expected.labels)


def test_a_training_whose_state_could_not_be_kept_is_a_training(dataset, tmp_path, caplog):
    describe(dataset, SHORT, tmp_path)
    worker.work(tmp_path, os.getpid())
    done = [json.loads(line) for line in (tmp_path / worker.REPORT).read_text().splitlines()][-1]["done"]
    whole = apart._result(dataset, SHORT, tmp_path, done, 1.0)
    assert whole.state.tensors
    assert not caplog.records
    (tmp_path / worker.STATE).write_bytes(b"half a state")
    apart._result(dataset, SHORT, tmp_path, done, 1.0)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "the training can be used, but not continued: its state could not be kept"
    ]
    (tmp_path / worker.STATE).unlink()
    result = apart._result(dataset, SHORT, tmp_path, done, 1.0)
    assert caplog.text.count("not continued") == 2
    assert not result.state.tensors
    assert (result.steps, len(result.history)) == (6, len(whole.history))
    assert result.model.card.training["steps"] == 6
    assert train_apart(dataset, SHORT, state=result.state).steps == 6, "it begins anew"
