"""Train, predict, evaluate, save and load on simulated micrographs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_visualccc.classify import (
    ClassificationModel,
    EvaluateOptions,
    PredictOptions,
    TrainOptions,
    dataset_of,
    evaluate,
    examples_of_stack,
    explain,
    finetune,
    predict,
    train,
    write_report,
)
from napari_visualccc.classify.class_map import window_of
from napari_visualccc.classify.linear import fit_linear
from napari_visualccc.classify.magnification import record_of_sizes, words_on_size
from napari_visualccc.classify.unlike import Familiar
from napari_visualccc.core.errors import InputError, ModelError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.models.nn.classifier import Classifier
from napari_visualccc.samples import HrtemOptions, LithiumOptions, hrtem, lithium
from napari_visualccc.widgets._training_board import Board

EDGE = 160


@pytest.fixture(scope="module")
def sample():
    return lithium(LithiumOptions(count=24, size=EDGE, pixel_nm=12.0, seed=5))


@pytest.fixture(scope="module")
def dataset(sample):
    return dataset_of(examples_of_stack(sample.image[:16], dict(enumerate(sample.plane_labels[:16])), name="lithium"))


@pytest.fixture(scope="module")
def trained(dataset):
    return train(dataset, device="cpu")


def test_fast_learns_the_morphology(sample, trained):
    assert trained.model.names == ("dendritic", "spherical")
    assert trained.metrics["held_out"] == "cross-validation over groups"
    assert trained.metrics["n"] == 16
    rest = dataset_of(examples_of_stack(sample.image[16:], dict(enumerate(sample.plane_labels[16:]))))
    found = evaluate(trained.model, rest, EvaluateOptions(bootstrap=50), device="cpu")
    assert found.metrics["weighted_accuracy"] >= 0.75
    assert set(found.table.columns) >= {"path", "true", "class", "confidence", "right", "unlike"}


def test_same_seed_same_model(dataset, trained):
    again = train(dataset, device="cpu")
    assert torch.equal(again.model.network.head.weight, trained.model.network.head.weight)
    assert again.metrics["confusion"] == trained.metrics["confusion"]


def test_model_is_one_file_that_predicts_the_same(tmp_path, sample, trained):
    path = trained.model.save(tmp_path / "m.safetensors")
    loaded = ClassificationModel.load(path)
    first, second = (predict(one, sample.image[16:18], device="cpu") for one in (trained.model, loaded))
    assert np.allclose(first.probabilities, second.probabilities, atol=1e-3)
    assert np.allclose(first.unlike, second.unlike, rtol=1e-3)
    assert first.probabilities.sum(axis=1) == pytest.approx(1)
    assert loaded.card.training["counts"] == {"dendritic": 8, "spherical": 8}
    assert loaded.hash.startswith("blake2b:")


def test_planes_learnt_from_are_recognised(tmp_path, sample, trained):
    """From the file, in another order, at another scale of grey values; and no others."""
    loaded = ClassificationModel.load(trained.model.save(tmp_path / "m.safetensors"))
    stack = np.concatenate([sample.image[:16:-1], sample.image[16::-1]])
    for planes in (stack, stack.astype(np.float32) * 3 + 1000):
        found = predict(loaded, planes, device="cpu")
        assert found.learnt.tolist() == [False] * 8 + [True] * 16
        assert found.table["learnt_from"].sum() == 16


def test_images_learnt_from_are_told_where_a_model_is_measured(tmp_path, sample, trained):
    model = ClassificationModel.load(trained.model.save(tmp_path / "m.safetensors"))
    for planes, count, words in (
        (range(4), 4, "from all 4 images"),
        (range(14, 19), 2, "from 2 of the 5 images"),
        (range(16, 20), 0, ""),
    ):
        data = dataset_of(examples_of_stack(sample.image, {n: sample.plane_labels[n] for n in planes}))
        found = evaluate(model, data, EvaluateOptions(bootstrap=0), device="cpu")
        assert (found.metrics["n"], found.metrics["learnt_from"]) == (len(planes), count)  # none is left out
        assert found.table["learnt_from"].tolist() == [n < 16 for n in planes]
        assert [words in note for note in found.notes] == [True] * bool(count)
        page, record = write_report(found, tmp_path)
        assert ("the scores flatter it" in page.read_text(encoding="utf-8")) == bool(count)
        assert json.loads(record.read_text(encoding="utf-8"))["notes"] == list(found.notes)


def test_planes_forgotten_are_allowed_for(monkeypatch, sample, trained):
    monkeypatch.setattr("napari_visualccc.classify.unlike._MOST_KEPT", 10)
    kept = replace(trained.model.familiar, points=trained.model.familiar.points[:10])
    data = dataset_of(examples_of_stack(sample.image[:12], dict(enumerate(sample.plane_labels[:12]))))
    found = evaluate(replace(trained.model, familiar=kept), data, EvaluateOptions(bootstrap=0), device="cpu")
    assert found.metrics["learnt_from"] == 10
    assert "at least 10 of the 12 images" in found.notes[0]


def at(size):
    return PixelSize.of(size)


def test_another_magnification_is_told(sample, caplog):
    """Learnt from pixels of 2 to 4 nm: from 1 to 8 nm is near enough."""
    labels, sizes = dict(enumerate(sample.plane_labels[:8])), (2, 3, 4, 4)
    examples = [
        replace(one, pixel_size=at(sizes[n % 4])) for n, one in enumerate(examples_of_stack(sample.image[:8], labels))
    ]
    model = train(dataset_of(examples), device="cpu").model
    assert model.card.training["pixel_sizes"] == {"smallest": 2.0, "largest": 4.0, "unit": "nm"}
    plane, looker = sample.image[16], model.looker("cpu")
    for size in (at(1), at(2.9), at(8), PixelSize(), None):
        assert predict(model, plane, pixel_size=size, looker=looker).notes == ()
    assert not caplog.text
    far = predict(model, plane, pixel_size=at(20), looker=looker, name="scan.tif")
    assert far.called.shape == (1,)  # it is told, not refused
    assert far.notes[0].startswith(
        "its pixels (20 nm) are 5 times larger than any that the model learnt from (2 … 4 nm)"
    )
    assert f"scan.tif: {far.notes[0]}" in caplog.text
    (near,) = predict(model, plane, pixel_size=at(0.8), looker=looker).notes
    assert "2.5 times smaller" in near
    (other,) = predict(model, plane, pixel_size=PixelSize(3, 3, "1/nm"), looker=looker).notes
    assert "another kind of image, whose" in other


def test_magnification_of_earlier_files_and_of_sizes_that_are_not_known(trained):
    card = replace(trained.model.card, pixel_size=at(2), training={})
    assert words_on_size(card, at(4)) == ""
    assert "3 times larger" in words_on_size(card, at(6))
    assert "(6 nm)" in words_on_size(card, at(6))
    assert words_on_size(trained.model.card, at(6)) == ""  # learnt from planes without a pixel size
    assert "pixel_sizes" not in trained.model.card.training
    assert record_of_sizes([at(2), PixelSize()]) == record_of_sizes([PixelSize()] * 2) == {}


def test_network_answers_from_the_encoders_vector(sample, trained):
    import torch

    from napari_visualccc.models.normalise import GreyScale

    plane = sample.image[17].astype(np.float32)
    image = GreyScale.of(plane).apply(plane)
    with torch.inference_mode():
        found = trained.model.network(torch.from_numpy(image)[None, None]).numpy()[0]
    vector = trained.model.looker("cpu").look(_items(sample.image[17])).vectors
    head = {name: value.numpy() for name, value in trained.model.network.head.state_dict().items()}
    seen = vector[:, : len(head["shift"])]
    expected = ((seen - head["shift"]) * head["scale"]) @ head["weight"].T + head["bias"]
    assert np.allclose(found, expected[0], atol=0.02 * max(1, np.abs(expected).max()))


def _items(plane):
    from napari_visualccc.core.planes import Planes
    from napari_visualccc.models.micrographs import Micrograph

    return [Micrograph(Planes(plane))]


def test_another_material_is_unlike(trained):
    lattice = hrtem(HrtemOptions(size=2 * EDGE)).image
    assert (predict(trained.model, lattice, device="cpu").unlike > 1).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.astype(np.float64) * 1e-9,
        lambda image: np.where(np.arange(EDGE) < 5, np.nan, image.astype(np.float32)),
        lambda image: np.repeat(image[..., None], 3, axis=-1),
        np.zeros_like,
        lambda image: image[:, :1, :1],
        lambda image: image[:, :40, :37],
    ],
)
def test_odd_images_are_answered(sample, trained, change):
    found = predict(trained.model, change(sample.image[:1]), device="cpu")
    assert np.isfinite(found.probabilities).all()


def test_image_without_a_finite_pixel_is_an_error(trained):
    with pytest.raises(InputError, match="no finite pixel"):
        predict(trained.model, np.full((40, 40), np.nan), device="cpu")


def test_class_map_finds_both_halves(sample, trained):
    labels = sample.plane_labels
    left, right = (sample.image[16 + labels[16:].index(name)] for name in ("dendritic", "spherical"))
    field = np.concatenate([left, right], axis=1)
    found = predict(trained.model, field, PredictOptions(class_map=True, window=EDGE, stride=80), device="cpu")
    assert found.class_map.shape == field.shape
    assert set(np.unique(found.class_map)) <= {1, 2}
    assert (found.certainty > 0).all()
    assert [layer.title for layer in found.layers] == ["certainty of class", "class map"]


def test_window_never_exceeds_the_plane():
    assert window_of((50, 60), PredictOptions(), 480) == (50, 12)


def test_cancelling(dataset):
    with pytest.raises(Cancelled):
        train(dataset, device="cpu", progress=Progress(None, lambda: True))


@pytest.mark.parametrize("place", [(finetune, "_whole"), (Classifier, "forward"), (finetune._Task, "loss")])
def test_cancelling_fine_tuning_waits_for_one_plane_or_layer_at_most(dataset, monkeypatch, place):
    looked, own = [], getattr(*place)

    def look(*args):
        looked.append(1)
        return own(*args)

    monkeypatch.setattr(*place, look)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: pytest.fail("the step went on to its end"))
    options = TrainOptions(method="fine-tune", epochs=1, crop=96, batch=4)
    with pytest.raises(Cancelled):
        train(dataset, options, device="cpu", progress=Progress(None, lambda: bool(looked)))
    assert len(looked) == 1


def test_what_cannot_be_learnt_is_said(sample):
    one = dataset_of(examples_of_stack(sample.image[:2], {0: "a", 1: "a"}))
    with pytest.raises(InputError, match="two classes"):
        train(one)
    with pytest.raises(InputError, match="at least two of each"):
        train(dataset_of(examples_of_stack(sample.image[:3], {0: "a", 1: "a", 2: "b"})))


def test_two_planes_of_each_class_are_enough(sample):
    few = dataset_of(examples_of_stack(sample.image[:4], dict(enumerate(sample.plane_labels[:4]))))
    found = train(few, device="cpu")
    assert len(found.model.names) == 2


def test_one_group_per_class_gives_a_model_without_numbers(sample):
    groups = dict(enumerate(sample.plane_labels[:6]))
    few = dataset_of(examples_of_stack(sample.image[:6], dict(enumerate(sample.plane_labels[:6])), groups=groups))
    found = train(few, device="cpu")
    assert found.evaluation is None
    assert any("not known" in note for note in found.notes)


def test_split_is_respected_and_duplicates_across_it_are_told(sample):
    splits = {n: "train" if n < 8 else "val" for n in range(12)} | {12: "test"}
    stack = sample.image[:13].copy()
    stack[8] = stack[0]
    data = dataset_of(examples_of_stack(stack, dict(enumerate(sample.plane_labels[:13])), splits=splits))
    found = train(data, device="cpu")
    assert found.metrics["n"] == 4
    assert found.metrics["held_out"] == "validation split"
    assert [row["across_split"] for row in found.duplicates] == [True]
    assert found.metrics["learnt_from"] == 1
    assert any("both sides" in note for note in found.notes)


def test_fine_tuning_is_never_worse_on_what_is_held_out(dataset):
    options = TrainOptions(method="fine-tune", epochs=1, crop=96, batch=4)
    found = train(dataset, options, device="cpu")
    assert len(found.history) >= 1
    assert "kept aside" in found.metrics["held_out"]
    assert torch.isfinite(found.model.network.head.weight).all()


@pytest.fixture
def slow_steps(monkeypatch):
    """A clock by which each look at it, two per step, takes three seconds; gives the time."""
    now = [0.0]

    def look() -> float:
        now[0] += 3.0
        return now[0]

    monkeypatch.setattr("napari_visualccc.models.nn.fit.time", SimpleNamespace(perf_counter=look))
    return lambda: now[0]


def test_fine_tuning_is_told_in_the_words_of_the_field(dataset):
    said = []
    options = TrainOptions(method="fine-tune", epochs=1, crop=96, batch=4)
    found = train(dataset, options, device="cpu", progress=Progress(lambda done, words: said.append(words)))
    steps = [words for words in said if words.startswith("step ")]
    best = found.history.loc[found.history["validation_loss"].idxmin()]
    assert best["validation_loss"] > 0
    assert f", validation loss {best['validation_loss']:.3f} (Fast 0." in " ".join(steps)
    assert ", kept so far: balanced accuracy " in steps[-1]
    assert "looking for scale bars and text" in said
    assert "score" not in found.history
    assert not any("score" in words for words in said)


def test_progress_and_time_left_of_a_fine_tuning_fit_the_training_time(dataset, slow_steps):
    """It was at 60 % when 37 % of the time were over."""
    board = Board(60, slow_steps)
    reports = []

    def report(fraction, words):
        if board.moments:
            reports.append((fraction, board.moments[-1], board.seconds_left(), words))

    options = TrainOptions(method="fine-tune", max_minutes=1, crop=96, batch=4)
    train(dataset, options, device="cpu", watch=board.tell, progress=Progress(report))
    training = [one for one in reports if one[3].startswith("step ") and not one[1].is_last]
    assert len(training) > 4
    for fraction, moment, left, _ in training:
        assert left == pytest.approx(60 - moment.seconds)
        assert fraction == pytest.approx(moment.seconds / 60, abs=0.1)
    after = [one for one in reports if one[1].is_last]
    assert len(after) > 1
    assert {left for *_, left, _ in after} == {None}, "how long measuring takes is not known"


def test_the_training_time_also_ends_a_number_of_epochs(dataset, slow_steps):
    options = TrainOptions(method="fine-tune", epochs=100, max_minutes=1, patience=1000, crop=96, batch=4)
    found = train(dataset, options, device="cpu")
    assert found.history["seconds"].iloc[-1] == pytest.approx(60, abs=6)
    steps = found.model.card.training["steps"]  # three per epoch: a fold of the 16 planes is kept aside
    assert steps < 20
    assert f"the training time was over after {steps / 3:.3g} of 100 epochs" in " ".join(found.notes)
    assert found.model.card.training["notes"] == list(found.notes)


def test_epochs_that_end_in_time_are_all_there_are(dataset):
    found = train(dataset, TrainOptions(method="fine-tune", epochs=2, crop=96, batch=4), device="cpu")
    assert found.model.card.training["steps"] == 2 * 3
    assert not any("training time" in note for note in found.notes)


def test_fine_tuning_is_watched_and_can_be_ended(dataset):
    moments = []
    options = TrainOptions(method="fine-tune", epochs=100, crop=96, batch=4)
    found = train(dataset, options, device="cpu", watch=moments.append, should_stop=lambda: len(moments) > 0)
    assert [one.step for one in moments] == [1, 2]
    assert 0 <= moments[-1].scores["balanced_accuracy"] <= 1
    assert found.model.card.training["steps"] == 2


def test_a_better_network_learns_anew_what_is_familiar(dataset, trained, monkeypatch):
    scores = iter([-1e9])  # what Fast is said to be worth

    def validate(task, network, own=finetune._Task.validate):
        found = own(task, network)
        return {**found, "score": next(scores, found["score"])}

    monkeypatch.setattr(finetune._Task, "validate", validate)
    split = replace(
        dataset,
        examples=tuple(replace(one, split="val" if n % 4 == 0 else "") for n, one in enumerate(dataset.examples)),
    )
    found = train(split, TrainOptions(method="fine-tune", epochs=1, crop=96, batch=4), device="cpu")
    assert found.metrics["held_out"] == "validation split (also used to stop in time)"
    assert found.metrics["n"] == 4
    assert not any("no better" in note for note in found.notes)
    hashes = [model.card.architecture["weights_hash"] for model in (found.model, trained.model)]
    assert hashes[0] != hashes[1]
    assert (found.model.familiar.points.shape[0], trained.model.familiar.points.shape[0]) == (12, 16)
    learnt = [one for one in split.examples if not one.split]
    vectors = found.model.looker("cpu").look(split.chosen(range(len(split))).micrographs).vectors
    assert (found.model.familiar.distances(vectors) <= 1).sum() >= len(learnt)


def test_heat_of_a_classifier(sample, trained):
    found = explain(trained.model, sample.image[16:18], device="cpu")
    assert found.heat.shape == (2, EDGE, EDGE)
    assert 0 <= np.nanmin(found.heat) <= np.nanmax(found.heat) <= 1


def test_report(tmp_path, dataset, trained):
    page, record = write_report(trained.evaluation, tmp_path, notes=["<b>"], provenance={"a": 1})
    assert "&lt;b&gt;" in page.read_text(encoding="utf-8")
    content = json.loads(record.read_text(encoding="utf-8"))
    assert len(content["answers"]) == 16
    wrong = replace(trained.evaluation, answers=replace(trained.evaluation.answers, targets=1 - dataset.targets))
    write_report(wrong, tmp_path)
    assert "data:image/jpeg" in page.read_text(encoding="utf-8")


def test_unknown_class_and_split_are_errors(sample, trained):
    data = dataset_of(examples_of_stack(sample.image[:2], {0: "dendritic", 1: "mossy"}))
    with pytest.raises(InputError, match="mossy"):
        evaluate(trained.model, data)
    with pytest.raises(OptionError, match="split 'val'"):
        evaluate(trained.model, data.chosen([0]), split="val")


def test_segmenter_and_classifier_are_not_mixed_up(tmp_path, trained):
    from napari_visualccc.models.nn.encoders import shipped_weights
    from napari_visualccc.segment import SegmentationModel

    path = trained.model.save(tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="a model to classify, not to segment"):
        SegmentationModel.load(path)
    with pytest.raises(ModelError, match="not to classify"):
        ClassificationModel.load(shipped_weights()["resnet18"])


def test_linear_fit_on_separable_vectors():
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 3
    vectors = (rng.normal(0, 1, (60, 30)) + 3 * np.eye(3, 30)[targets]).astype(np.float32)
    vectors[:, 5] = 7  # never changes
    fit = fit_linear(vectors, targets, np.arange(60) // 3, 3)
    assert (fit.scores(vectors).argmax(axis=1) == targets).mean() > 0.95
    weight, bias = fit.head()
    by_head = ((vectors - fit.standard.shift) / fit.standard.scale) @ weight.T + bias
    assert np.allclose(by_head, fit.scores(vectors))


def test_folds_are_as_many_as_asked_for(monkeypatch, dataset):
    from napari_visualccc.classify import linear

    asked = []
    grouped_folds = linear.grouped_folds

    def watched(targets, groups, folds, seed=0):
        asked.append(folds)
        return grouped_folds(targets, groups, folds, seed)

    monkeypatch.setattr(linear, "grouped_folds", watched)
    train(dataset, TrainOptions(folds=3))
    assert asked == [3]


def test_familiar_tells_far_from_near():
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 1, (80, 12)).astype(np.float32)
    familiar = Familiar.of(vectors + 4, np.arange(80))
    assert (familiar.distances(rng.normal(4, 1, (200, 12)).astype(np.float32)) > 1).mean() < 0.1
    assert (familiar.distances(rng.normal(0, 1, (20, 12)).astype(np.float32)) > 1).all()
