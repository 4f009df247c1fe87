"""Training end to end on simulated discs."""

import errno
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_visualccc.core.errors import InputError, ModelError, OptionError, OutputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress, silent
from napari_visualccc.core.scores import confusion_matrix, mean_iou
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import read_card
from napari_visualccc.models.learnt import words_on_learnt
from napari_visualccc.models.nn.fit import TrainingState
from napari_visualccc.models.nn.patches import LabelledPlane
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.segment import (
    SegmentationModel,
    TrainOptions,
    annotated,
    apart,
    dataset_of_masks,
    dataset_of_strokes,
    predict,
    train,
    worker,
)
from napari_visualccc.segment.checkpoints import going_on, move_aside, write_checkpoint
from napari_visualccc.segment.notes import on_pixel_sizes
from napari_visualccc.segment.preparation import common_pixel_size, patch_of, planes_of, turns_of

SHORT = TrainOptions(steps=4, max_minutes=5, reduction="1", patch=64, batch=2)


def strokes(discs, seed=0):
    """Discs with a few painted dots of each phase (1, 2), the rest unpainted."""
    image, mask = discs(seed)
    painted = np.zeros_like(mask)
    rng = np.random.default_rng(seed)
    for label in (0, 1):
        for y, x in rng.permutation(np.argwhere(mask == label))[:30]:
            painted[y, x] = label + 1
    return annotated(image, painted, name=f"strokes {seed}")


@pytest.fixture
def two(discs):
    return dataset_of_strokes([strokes(discs)], names={1: "ground", 2: "disc"})


@pytest.mark.parametrize("validation", [0.2, 0.0])
def test_progress_is_told_in_the_words_of_the_field(two, validation):
    said = []
    options = replace(SHORT, validation=validation)
    found = train(two, options, device="cpu", progress=Progress(lambda done, words: said.append(words)))
    steps = [words for words in said if words.startswith("step ")]
    assert len(steps) == 4
    assert not any("score" in words for words in steps)
    worth = f", kept so far: mean IoU {found.state.scores['score']:.3f}" if validation else ""
    assert steps[-1] == f"step 4, loss {found.history['loss'].iloc[-1]:.3f}{worth}"


def test_it_learns_discs(trained):
    assert trained.metrics["held_out"] == "whole images"
    assert trained.metrics["labelled_share"] == 1
    assert trained.metrics["mean_iou"] > 0.85
    assert trained.metrics["iou"].keys() == {"ground", "disc"}
    assert trained.steps == 50
    assert trained.history["loss"].iloc[-1] < trained.history["loss"].iloc[0]
    assert trained.model.card.pixel_size == PixelSize(2, 2, "nm")
    assert trained.model.card.training["steps"] == 50
    assert "visualccc segment train" in trained.provenance.command


def test_planes_of_a_stack_are_not_held_out_as_images(discs):
    """Four slices that are all but the same: measured on blocks, which are the same in each."""
    image, mask = discs(0)
    items = [annotated(np.stack([image] * 4), np.stack([mask] * 4))]
    dataset = dataset_of_masks(items, names=["ground", "disc"])
    learnt, measured, about = planes_of(dataset, None, PixelSize(), TrainOptions(), silent(None))
    assert about["held_out"] == "blocks"
    assert len(learnt) == len(measured) == 4
    seen, asked = (np.logical_or.reduce([one.labels != 255 for one in planes]) for planes in (learnt, measured))
    assert not (seen & asked).any()
    found = train(dataset, SHORT, device="cpu")
    assert found.metrics["held_out"] == "blocks"


@pytest.mark.parametrize("others", [1, 5])
def test_an_image_that_is_there_twice_is_not_measured_on_if_it_is_learnt_from(discs, others):
    images = [discs(0)] * 3 + [discs(seed) for seed in range(1, others)]
    dataset = dataset_of_masks([annotated(*pair, name=str(number)) for number, pair in enumerate(images)])
    for seed in range(6):
        learnt, measured, _ = planes_of(dataset, None, PixelSize(), TrainOptions(seed=seed), silent(None))
        assert measured
        for one in measured:
            same = [other for other in learnt if np.array_equal(other.image, one.image)]
            assert not any(((other.labels != 255) & (one.labels != 255)).any() for other in same)


def test_images_to_measure_on_that_are_learnt_from_are_told(discs):
    dataset = dataset_of_masks([annotated(*discs(seed), name=f"scan {seed}") for seed in range(2)])
    validation = dataset.with_items([annotated(*discs(seed)) for seed in (1, 2)])
    result = train(dataset, replace(SHORT, steps=1), validation=validation, device="cpu")
    assert result.notes == (words_on_learnt(1, 2),)


def test_a_saved_model_is_the_same_model(trained, tmp_path, discs):
    path = trained.model.save(tmp_path / "discs.safetensors")
    again = SegmentationModel.load(path)
    assert again.card.as_dict() == read_card(path).as_dict()
    assert again.card.class_names == {0: "ground", 1: "disc"}
    image, _ = discs(9)
    first, second = predict(trained.model, image), predict(again, image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert second.provenance.model_hash.startswith("blake2b:")


def test_sparse_strokes_are_enough_to_start(two, discs):
    result = train(two, replace(SHORT, steps=60, learning_rate=3e-3, validation=0.0), device="cpu")
    image, mask = discs(0)
    labels = predict(result.model, image).labels
    assert set(np.unique(labels)) <= {1, 2}
    assert ((labels == 2) == (mask == 1)).mean() > 0.9
    assert result.metrics == {}


def test_the_learning_curve_is_of_the_model_that_one_gets(discs):
    """After strokes, phases are taken to be as common as they are: in the curve, too, not at the end only."""
    image, mask = discs(0)
    painted = np.zeros_like(mask)
    painted[::4, ::4] = mask[::4, ::4] + 1
    painted[::4, ::4][::2][mask[::4, ::4][::2] == 0] = 0  # half of the ground is not painted
    dataset = dataset_of_strokes([annotated(image, painted)], names={1: "ground", 2: "disc"})
    found = train(dataset, replace(SHORT, steps=20, fill=False), device="cpu")
    best = found.history.set_index("step").loc[found.state.best_step]
    assert best["score"] == found.metrics["mean_iou"]


@pytest.mark.parametrize(
    ("dabs", "words"),
    [
        (
            {1: [10, 40, 60], 2: [10], 3: [60]},
            "nothing of phase 2, phase 3 is held out: the scores say nothing of them",
        ),
        ({1: [10], 2: [60]}, "nothing could be held out: there are no scores"),
        ({1: [10, 40, 60], 2: [10, 40, 60]}, ""),
    ],
)
def test_phases_of_which_nothing_is_held_out_are_told(discs, dabs, words):
    """Each is painted in dabs: of one alone nothing can be spared."""
    painted = np.zeros((100, 100), np.uint8)
    for label, places in dabs.items():
        for place in places:
            painted[place : place + 4, 30 * label - 20 : 30 * label - 16] = label
    dataset = dataset_of_strokes([annotated(discs(0, painted.shape)[0], painted)])
    result = train(dataset, replace(SHORT, steps=3, fill=False), device="cpu")
    assert [note.split(", and")[0] for note in result.notes] == ([words] if words else [])
    assert result.state.best_step == 3 or not words


def test_that_nothing_is_held_out_is_not_told_where_it_was_wished(two):
    assert not train(two, replace(SHORT, steps=1, validation=0.0), device="cpu").notes


def test_a_short_training_is_not_made_worse_by_what_quick_says_of_shares(discs):
    """An untaught network is sure of nonsense: judging shares from its own words once cost it all of one phase."""
    image, mask = discs(0)
    dataset = dataset_of_strokes([strokes(discs)])
    found = {}
    for shares in (True, False):
        options = replace(SHORT, steps=20, learning_rate=3e-3, validation=0.0, fill=False, shares=shares)
        called = predict(train(dataset, options, device="cpu").model, image).labels - 1
        found[shares] = mean_iou(confusion_matrix(mask, called, 2))
    assert found[True] > found[False] - 0.02


def test_the_same_seed_and_steps_give_the_same_model(two):
    first, second = (train(two, SHORT, device="cpu").model.network.state_dict() for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_images_of_all_kinds_learn_together(discs):
    """uint16, float64 with NaN, RGB and a stack, of different sizes."""
    image, mask = discs(0)
    broken = image.astype(np.float64) / 7
    broken[:5] = np.nan
    colour = np.stack([(image >> 4).astype(np.uint8)] * 3, -1)
    items = [
        annotated(image, mask + 1), annotated(broken[:90], mask[:90] + 1), annotated(colour, mask + 1, rgb=True),
        annotated(np.stack([image, image]), np.stack([mask, mask]) + 1),
    ]  # fmt: skip
    result = train(dataset_of_strokes(items), SHORT, device="cpu")
    assert np.isfinite(result.history["loss"]).all()


def test_stopping_keeps_the_model_so_far(two):
    seen = []
    result = train(
        two, replace(SHORT, steps=1000), device="cpu", watch=seen.append, should_stop=lambda: len(seen) >= 2
    )  # fmt: skip
    assert result.stopped
    assert result.steps == 3


def test_going_on_from_a_result(two):
    first = train(two, SHORT, device="cpu", should_stop=lambda: True)
    assert first.steps == 1
    assert first.state.tensors
    more = train(two, SHORT, device="cpu", state=first.state)
    assert more.steps == 4


def test_going_on_from_a_model_counts_anew_and_records_the_whole(two, discs):
    first = train(two, SHORT, device="cpu")
    assert first.model.card.training["begun_with"]["name"] == "tu-tf_efficientnet_lite0.safetensors"
    assert first.model.card.training["begun_with"]["licence"] == "Apache-2.0"
    assert first.model.card.training["begun_with"]["hash"].startswith("blake2b:")
    other = two.with_items([strokes(discs, 1)])
    state = first.state.renewed(first.model.card.training)
    more = train(other, replace(SHORT, steps=3, weights="random"), device="cpu", state=state)
    assert more.state.history[0]["step"] > 0
    assert "other labels are held out than before" in more.notes[0]
    assert more.steps == 3
    record = more.model.card.training
    assert record["remarks"] == [more.notes[0]]
    assert (record["steps"], record["continued_after"]) == (7, 4)
    assert record["seconds"] >= first.model.card.training["seconds"]
    assert record["begun_with"] == first.model.card.training["begun_with"]
    assert [one["name"] for one in record["data"]] == ["strokes 1", "strokes 0"]
    assert "continued_after" not in first.model.card.training
    again = train(other, replace(SHORT, steps=2), device="cpu", state=more.state.renewed(record))
    assert again.model.card.training["steps"] == 9
    assert again.state.history[0]["step"] == 0
    assert not any("held out" in note for note in again.notes)


def test_a_model_that_nothing_better_was_found_than_stays_and_that_is_told(two, monkeypatch):
    from napari_visualccc.segment.learning import SegmentationTask

    first = train(two, SHORT, device="cpu")
    scores = iter([0.9, *[0.1] * 20])
    monkeypatch.setattr(SegmentationTask, "validate", lambda *_: {"score": next(scores)})
    more = train(two, SHORT, device="cpu", state=first.state.renewed(first.model.card.training))
    theirs, own = (one.model.network.state_dict() for one in (first, more))
    assert all(torch.equal(theirs[name], own[name]) for name in own if not name.startswith("head"))
    assert any("gone on from, which stays" in note for note in more.notes)
    assert not first.notes


def test_a_model_that_may_have_learnt_from_what_is_held_out_now_is_not_compared_with():
    """Its score would be too high, and the new ones, of more images, would never be kept."""
    architecture = Architecture(encoder="resnet18", classes=2)
    earlier, network = build(architecture), build(architecture)
    tensors = {f"best.{name}": value for name, value in earlier.state_dict().items()}
    state = TrainingState(tensors, earlier={"held_out_hash": "these", "steps": 7})
    assert going_on(state, network, "these") is state
    assert going_on(state, network, "") is state, "nothing is held out"
    begun = replace(state, step=3, seconds=2.0)
    assert going_on(begun, network, "others") is begun, "by an earlier version, which kept no hash"
    known = replace(begun, about={"held_out_hash": "these", "data": [1]})
    assert going_on(known, network, "these") is known
    cut = going_on(known, network, "")
    assert (cut.tensors, cut.step) == ({}, 0)
    assert cut.earlier == {"held_out_hash": "these", "data": [1], "steps": 10, "seconds": 2.0}
    on = going_on(state, network, "others")
    assert (on.tensors, on.step, on.earlier) == ({}, 0, state.earlier)
    assert all(torch.equal(value, earlier.state_dict()[name]) for name, value in network.state_dict().items())


def test_the_record_of_images_that_are_no_files_says_so(two):
    command = train(two, replace(SHORT, steps=1), device="cpu").provenance.command
    assert "train --images IMAGES --masks MASKS --output MODEL --strokes --" in command


def test_going_on_with_another_phase_keeps_what_was_learnt(two, discs):
    first = train(two, SHORT, device="cpu")
    image, mask = discs(0)
    painted = strokes(discs).labels.source.copy()
    painted[:3, :3] = 3
    three = dataset_of_strokes([annotated(image, painted)])
    more = train(three, replace(SHORT, steps=1, learning_rate=1e-7), device="cpu", state=first.state)
    assert more.steps == 1
    assert more.model.card.architecture["classes"] == 3
    assert more.state.history[0]["step"] == 1
    learnt, again = (next(result.model.network.encoder.parameters()) for result in (first, more))
    torch.testing.assert_close(again, learnt, atol=1e-4, rtol=0)
    with pytest.raises(OptionError, match="another network"):
        train(two, replace(SHORT, encoder="mobilenet_v2"), device="cpu", state=first.state)


def test_a_renamed_phase_is_the_same_phase(two, tmp_path):
    from napari_visualccc.segment.checkpoints import read_checkpoint, write_checkpoint

    first = train(two, SHORT, device="cpu")
    write_checkpoint(tmp_path / "a.training", first.state, first.model.card)
    renamed = tuple(replace(one, name=f"new {one.name}") for one in first.model.card.classes)
    assert read_checkpoint(tmp_path / "a.training", replace(first.model.card, classes=renamed)) is not None


def test_a_cancelled_training_goes_on_where_it_was(two, tmp_path):
    checkpoint = tmp_path / "net.training"
    asked = []

    def cancelled():
        asked.append(1)
        return checkpoint.exists()

    with pytest.raises(Cancelled):
        train(two, SHORT, device="cpu", checkpoint=checkpoint, progress=Progress(is_cancelled=cancelled))
    assert checkpoint.exists()
    seen = []
    result = train(two, SHORT, device="cpu", checkpoint=checkpoint, watch=seen.append)
    assert seen[0].step > 1
    assert result.steps == 4
    assert checkpoint.exists(), "the model is not saved yet"


def cut_off(dataset, options, checkpoint):
    """Cancel a training once it has kept a checkpoint."""
    with pytest.raises(Cancelled):
        train(
            dataset, options, device="cpu", checkpoint=checkpoint, progress=Progress(is_cancelled=checkpoint.exists)
        )  # fmt: skip


@pytest.mark.parametrize("changed", ["images", "seed"])
def test_a_training_cut_off_that_was_measured_on_other_labels_is_not_compared_with(discs, tmp_path, changed, caplog):
    """What is held out now it may have learnt from: its scores, and the best model by them, tell nothing here."""
    first, second = (dataset_of_masks([annotated(*discs(seed), name=str(seed)) for seed in seeds])
                     for seeds in ((0, 1), (1, 2)))  # fmt: skip
    cut_off(first, SHORT, tmp_path / "net.training")
    dataset, options = (second, SHORT) if changed == "images" else (first, replace(SHORT, seed=1))
    result = train(dataset, options, device="cpu", checkpoint=tmp_path / "net.training")
    assert result.notes[0].startswith("other labels are held out than before")
    assert "a new one begins with its best model" in caplog.text
    record = result.model.card.training
    assert [one["name"] for one in record["data"]] == (["1", "2", "0"] if changed == "images" else ["0", "1"])
    assert result.steps == 4
    assert record["steps"] == record["continued_after"] + 4 > 4
    assert result.history["step"].min() > 0


def test_a_training_cut_off_goes_on_with_more_images_if_the_same_are_measured_on(discs, tmp_path):
    few = dataset_of_masks([annotated(*discs(0), name="0")])
    validation = few.with_items([annotated(*discs(9), name="9")])
    more = few.with_items([annotated(*discs(1), name="1")])
    asked = tmp_path / "net.training"
    with pytest.raises(Cancelled):
        train(
            few, SHORT, validation=validation, device="cpu", checkpoint=asked,
            progress=Progress(is_cancelled=asked.exists),
        )  # fmt: skip
    seen = []
    result = train(more, SHORT, validation=validation, device="cpu", checkpoint=asked, watch=seen.append)
    assert seen[0].step > 1
    assert [one["name"] for one in result.model.card.training["data"]] == ["1", "0"]
    assert not result.notes


@pytest.mark.parametrize("content", [b"", b"garbage that is no checkpoint", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_damaged_checkpoint_starts_anew(two, tmp_path, content, caplog):
    checkpoint = tmp_path / "net.training"
    checkpoint.write_bytes(content)
    assert train(two, SHORT, device="cpu", checkpoint=checkpoint).steps == 4
    assert "starting anew" in caplog.text
    assert (tmp_path / "net.training.old").read_bytes() == content


def test_a_training_put_aside_is_not_written_over(tmp_path):
    path = tmp_path / "net.training"
    names = []
    for number in range(4):
        path.write_text(str(number))
        names.append(move_aside(path).name)
        assert not path.exists()
    assert names == [f"net.training.old{number}" for number in ("", 2, 3, 4)]
    assert [(tmp_path / name).read_text() for name in names] == ["0", "1", "2", "3"]


def test_live_preview_is_given_a_model(two, discs):
    image, _ = discs(1)
    pictures = []
    train(two, SHORT, device="cpu", preview=lambda model: pictures.append(predict(model, image).labels))
    assert pictures
    assert pictures[0].shape == image.shape


def test_pixel_sizes_are_brought_together(discs):
    """The same discs at 1 and at 2 nm per pixel: the coarse image is seen at 1 nm."""
    image, mask = discs(0)
    fine = annotated(image, mask + 1, pixel_size=PixelSize(1, 1, "nm"))
    coarse = annotated(image[::2, ::2], mask[::2, ::2] + 1, pixel_size=PixelSize(2, 2, "nm"))
    assert common_pixel_size([fine, coarse, fine]) == PixelSize(1, 1, "nm")
    result = train(dataset_of_strokes([fine, coarse, fine]), SHORT, device="cpu")
    assert result.model.card.pixel_size == PixelSize(1, 1, "nm")


def test_an_image_of_unknown_pixel_size_is_taken_to_have_that_of_the_others_and_it_is_told(discs, caplog):
    image, mask = discs(0)
    fine = annotated(image, mask + 1, pixel_size=PixelSize(1, 1, "nm"))
    coarse = annotated(image[::2, ::2], mask[::2, ::2] + 1, pixel_size=PixelSize(2, 2, "nm"))
    unknown = annotated(image, mask + 1, name="scan 7")
    assert common_pixel_size([fine, unknown, coarse, fine]) == PixelSize(1, 1, "nm")
    assert not common_pixel_size([unknown]).is_calibrated
    dataset = dataset_of_strokes([unknown, coarse, fine])
    learnt, _, _ = planes_of(dataset, None, PixelSize(1, 1, "nm"), replace(SHORT, validation=0.0), silent(None))
    assert [plane.image.shape for plane in learnt] == [image.shape] * 3
    result = train(dataset, replace(SHORT, steps=1), device="cpu")
    assert result.model.card.pixel_size.is_calibrated
    (remark,) = result.notes
    assert remark.startswith("the pixel size of scan 7 is not known")
    assert result.model.card.training["remarks"] == [remark]
    assert remark in caplog.text


def test_pixel_sizes_of_two_kinds_are_not_brought_together_and_it_is_told(discs):
    items = [annotated(*discs(0), pixel_size=PixelSize(1, 1, unit)) for unit in ("nm", "1/nm")]
    assert common_pixel_size(items) == PixelSize()
    assert "in 1/nm and nm" in on_pixel_sizes(items, PixelSize())[0]


def test_patches_suit_the_images():
    def plane(n):
        return LabelledPlane(np.zeros((n, n), np.float32), np.zeros((n, n), np.uint8))

    auto = TrainOptions()
    assert patch_of(auto, [plane(512)], 128) == (256, 4)
    assert patch_of(auto, [plane(4096)], 128) == (256, 4)
    assert patch_of(replace(auto, max_minutes=20), [plane(4096)], 128) == (512, 4)
    assert patch_of(auto, [plane(100)], 128) == (256, 4)
    assert patch_of(replace(auto, patch=250, batch=3), [plane(100)], 32) == (256, 3)


def test_patches_are_zoomed_far_only_where_the_magnification_may_be_any(discs):
    bare, known = annotated(*discs(0)), annotated(*discs(1), pixel_size=PixelSize(2, 2, "nm"))
    other = annotated(*discs(2), pixel_size=PixelSize(1, 1, "1/nm"))
    auto, little, much = TrainOptions(), (0.2, 1.25), (0.4, 2.0)
    assert turns_of(auto, [known, known], fringes=False) == little
    assert turns_of(auto, [bare, bare], fringes=False) == much
    assert turns_of(auto, [known, bare], fringes=False) == much
    assert turns_of(auto, [known, other], fringes=False) == much  # not brought to one size
    assert turns_of(auto, [bare], fringes=True) == little
    assert turns_of(auto, [bare] * 49, fringes=False) == much
    assert turns_of(auto, [bare] * 50, fringes=False) == little  # which show other magnifications themselves
    assert turns_of(replace(auto, scale=1.0), [bare], fringes=False) == (0.2, 1)
    assert turns_of(replace(auto, rotation=0.0), [bare], fringes=False) == (0, 2)


@pytest.mark.parametrize(("size", "turns"), [(PixelSize(), (0.4, 2.0)), (PixelSize(2, 2, "nm"), (0.2, 1.25))])
def test_the_network_is_shown_patches_of_that_zoom(discs, monkeypatch, size, turns):
    from napari_visualccc.models.nn import patches

    seen = []
    build = patches.PatchSampler.__init__

    def watched(self, planes, classes, patch, batch, augmentation, **keywords):
        seen.append((augmentation.rotation, augmentation.scale))
        build(self, planes, classes, patch, batch, augmentation, **keywords)

    monkeypatch.setattr(patches.PatchSampler, "__init__", watched)
    learnt = dataset_of_masks([annotated(*discs(n), pixel_size=size) for n in range(2)], names=["ground", "disc"])
    train(learnt, replace(SHORT, steps=1))
    assert seen == [turns]


def test_wrong_options_are_said_in_words(two):
    with pytest.raises(OptionError, match="resnet17"):
        train(two, replace(SHORT, encoder="resnet17"))
    with pytest.raises(OptionError, match="Training time"):
        TrainOptions(max_minutes=-1)


def test_wrong_model_files(tmp_path, trained):
    from safetensors.numpy import save_file

    with pytest.raises(ModelError, match="cannot be opened"):
        SegmentationModel.load(tmp_path / "nothing.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("no model at all, but long enough to have a header")
    with pytest.raises(ModelError, match="not a model file"):
        SegmentationModel.load(text)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.zeros(3)}, foreign)
    with pytest.raises(ModelError, match="without a card"):
        SegmentationModel.load(foreign)
    whole = trained.model.save(tmp_path / "whole.safetensors").read_bytes()
    half = tmp_path / "half.safetensors"
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="damaged"):
        SegmentationModel.load(half)
    other = SegmentationModel(trained.model.network, replace(trained.model.card, task="classify"))
    with pytest.raises(ModelError, match="to classify"):
        SegmentationModel.load(other.save(tmp_path / "other.safetensors"))
    smaller = replace(trained.model.card, architecture=dict(trained.model.card.architecture, encoder="resnet34"))
    wrong = SegmentationModel(trained.model.network, smaller)
    with pytest.raises(ModelError, match="do not fit"):
        SegmentationModel.load(wrong.save(tmp_path / "wrong.safetensors"))


def test_an_image_without_finite_pixels_is_named(discs):
    image, mask = discs(0)
    with pytest.raises(InputError, match="only"):
        dataset_of_strokes([annotated(image, np.ones_like(mask))])
    nothing = annotated(np.full(mask.shape, np.nan), mask + 1, name="dead detector")
    with pytest.raises(InputError, match="nothing to learn"):
        train(dataset_of_strokes([nothing]), SHORT, device="cpu")


def test_lattice_images_are_learnt_with_their_power_spectrum(lattices):
    dataset = dataset_of_masks([annotated(*lattices(seed)) for seed in range(3)], names=["wide", "narrow"])
    options = replace(SHORT, steps=80, reduction="2", patch=128, learning_rate=3e-3, validation=0.0)
    image, truth = lattices(7)
    right = {}
    for lattice in ("auto", "off"):
        model = train(dataset, replace(options, lattice=lattice), device="cpu").model
        assert model.card.architecture["lattice"] is (lattice == "auto")
        right[lattice] = float((predict(model, image).labels == truth).mean())
    assert right["auto"] > 0.9 > right["off"]


@pytest.mark.parametrize("begun_with_lattice", [True, False])
def test_going_on_keeps_the_network_whatever_images_come_in(lattices, discs, tmp_path, begun_with_lattice):
    sets = [dataset_of_masks([annotated(*make(0))], names=["one", "other"]) for make in (discs, lattices)]
    first, later = reversed(sets) if begun_with_lattice else sets
    options = replace(SHORT, patch=128)
    begun = train(first, options, device="cpu")
    assert begun.model.card.architecture["lattice"] is begun_with_lattice
    again = train(later, replace(options, steps=6), device="cpu", state=begun.state)
    assert again.model.card.architecture["lattice"] is begun_with_lattice
    assert again.steps == 6
    # ... also from a file, as after a training that was cut off
    checkpoint = tmp_path / "cut.training"
    write_checkpoint(checkpoint, begun.state, begun.model.card)
    resumed = train(later, replace(options, steps=6), device="cpu", checkpoint=checkpoint)
    assert resumed.steps == 6
    assert resumed.model.card.architecture["lattice"] is begun_with_lattice
    assert [row["step"] for row in resumed.state.history][0] <= 4, "it did not begin anew"


def test_a_training_that_an_earlier_version_was_cut_off_in_goes_on(discs, tmp_path):
    dataset = dataset_of_masks([annotated(*discs(0))], names=["one", "other"])
    former = Architecture(SHORT.decoder, SHORT.encoder, 2, 2, head_kernel=1, width=64)
    options = replace(SHORT, reduction="2", patch=128, steps=6)
    network = build(former)
    state = TrainingState(
        {
            f"{part}.{name}": value
            for part in ("network", "average", "best")
            for name, value in network.state_dict().items()
        },
        step=4,
        best_step=2,
        scores={"score": 0.1},
        history=[{"step": 2, "seconds": 1.0, "loss": 1.0, "score": 0.1}],
    )
    record = former.as_dict()
    del record["lattice"], record["head_kernel"], record["width"]
    write_checkpoint(tmp_path / "cut.training", state, ModelCard("segment", record, dataset.classes))
    resumed = train(dataset, options, device="cpu", checkpoint=tmp_path / "cut.training")
    assert resumed.steps == 6
    assert resumed.state.history[1]["step"] > 4, "it did not begin anew"
    assert resumed.model.network.architecture == former


@pytest.mark.parametrize(("begun_with_lattice", "wanted"), [(True, "off"), (False, "on")])
def test_a_training_goes_on_with_the_lattice_it_had_or_says_no(lattices, discs, tmp_path, begun_with_lattice, wanted):
    dataset = dataset_of_masks([annotated(*(lattices if begun_with_lattice else discs)(0))], names=["one", "other"])
    options = replace(SHORT, patch=128)
    begun = train(dataset, options, device="cpu")
    with pytest.raises(OptionError, match="lattice fringes that it had"):
        train(dataset, replace(options, steps=6, lattice=wanted), device="cpu", state=begun.state)
    # ... and so does the process that the viewer trains in, which is handed the state as a file
    asked = replace(options, steps=6, lattice=wanted)
    apart._keep(begun.state, dataset, asked, tmp_path)
    with pytest.raises(OptionError, match="lattice fringes that it had"):
        train(dataset, asked, device="cpu", checkpoint=tmp_path / worker.STATE)


def test_a_decoder_without_room_for_spectra_does_without(lattices):
    dataset = dataset_of_masks([annotated(*lattices(0))], names=["one", "other"])
    options = replace(SHORT, decoder="deeplabv3plus", patch=128)
    assert train(dataset, options, device="cpu").model.card.architecture["lattice"] is False
    with pytest.raises(OptionError, match="power spectrum"):
        train(dataset, replace(options, lattice="on"), device="cpu")


def broken(*_, **__):
    raise RuntimeError("broken")


def test_a_training_whose_last_measurement_fails_is_not_lost(two, tmp_path, monkeypatch):
    checkpoint = tmp_path / "net.training"
    monkeypatch.setattr("napari_visualccc.segment.learning.SegmentationTask.matrix", broken)
    with pytest.raises(RuntimeError, match="broken"):
        train(two, SHORT, device="cpu", checkpoint=checkpoint)
    monkeypatch.undo()
    seen = []
    assert train(two, SHORT, device="cpu", checkpoint=checkpoint, watch=seen.append).steps == 4
    assert not seen, "all steps were taken already"


def full(path, *_, **__):
    """Stands for `write_checkpoint` where there is no room."""
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        raise OutputError(f"{path} could not be written") from error


def test_a_full_disk_does_not_end_a_training(two, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("napari_visualccc.segment.checkpoints.write_checkpoint", full)
    assert train(two, SHORT, device="cpu", checkpoint=tmp_path / "net.training").steps == 4
    assert caplog.text.count("the training goes on") == 1


def test_a_place_where_nothing_can_be_written_is_told_at_once(two, tmp_path):
    (tmp_path / "file").touch()
    seen = []
    with pytest.raises(OutputError, match="could not be written"):
        train(
            two, replace(SHORT, steps=100), device="cpu", checkpoint=tmp_path / "file" / "net.training",
            watch=seen.append,
        )  # fmt: skip
    assert len(seen) < 5


def test_a_time_that_is_over_before_the_steps_is_told(two, caplog, monkeypatch):
    monkeypatch.setattr("napari_visualccc.models.nn.fit._Trainer.is_over", lambda trainer: trainer.state.step >= 3)
    result = train(two, SHORT, device="cpu")
    assert result.notes[0].startswith("the training time was over after 3 of 4 steps")
    assert result.notes[0] in caplog.text
    assert not replace(result, stopped=True).notes
    assert not replace(result, steps=4).notes


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_too_little_memory_is_said_in_words(two, monkeypatch, error):
    def greedy(*_):
        raise error

    monkeypatch.setattr("napari_visualccc.segment.learning.SegmentationTask.loss", greedy)
    with pytest.raises(OptionError, match=r"make the patches \(64 pixels\) smaller"):
        train(two, SHORT, device="cpu")


def test_memory_that_runs_out_makes_the_bites_smaller(two, monkeypatch, caplog):
    """First fewer patches, then smaller ones; it goes on from the last look."""
    from napari_visualccc.segment.learning import SegmentationTask

    loss, tried, seen = SegmentationTask.loss, [], []

    def greedy(task, outputs, targets, done):
        tried.append((len(targets), targets.shape[-1]))
        if tried[-1] != (2, 64) and (tried[-1] != (4, 128) or len(tried) > 5):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(task, outputs, targets, done)

    monkeypatch.setattr(SegmentationTask, "loss", greedy)
    result = train(
        two, replace(SHORT, steps=10, patch=128, batch=4), device="cpu", watch=lambda one: seen.append(one.step)
    )
    assert tried == [(4, 128)] * 6 + [(2, 128)] + [(2, 64)] * 5
    assert seen == list(range(1, 11))
    assert result.notes == ("memory ran out: it was learnt from 2 patches of 64 pixels per step",)
    assert "going on with 2 patches of 128 pixels" in caplog.text


def test_a_training_that_begins_anew_for_want_of_memory_is_that_of_the_smaller_bites(two, monkeypatch):
    from napari_visualccc.segment.learning import SegmentationTask

    fewer = train(two, replace(SHORT, batch=2), device="cpu").model.network.state_dict()
    loss = SegmentationTask.loss

    def greedy(task, outputs, targets, done):
        if len(targets) > 2:
            raise MemoryError
        return loss(task, outputs, targets, done)

    monkeypatch.setattr(SegmentationTask, "loss", greedy)
    found = train(two, replace(SHORT, batch=4), device="cpu").model.network.state_dict()
    assert all((found[name] == fewer[name]).all() for name in fewer)


def test_one_patch_per_step_is_refused_where_nothing_is_left_to_average(two):
    with pytest.raises(OptionError, match="take more patches per step"):
        train(two, replace(SHORT, decoder="deeplabv3plus", batch=1, lattice="off"), device="cpu")


def test_errors_that_are_not_the_user_s_stay_what_they_are(two, monkeypatch):
    monkeypatch.setattr("napari_visualccc.segment.learning.SegmentationTask.loss", broken)
    with pytest.raises(RuntimeError, match="broken"):
        train(two, SHORT, device="cpu")
