"""What is held out."""

import numpy as np
import pytest

from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.nn.patches import LabelledPlane
from napari_visualccc.segment.holdout import glimpses, held_out_hash, left_out, split_targets


def labelled(part):
    return 0 if part is None else int((part != UNLABELLED).sum())


def test_whole_images_when_there_are_enough():
    rng = np.random.default_rng(0)
    targets = [rng.integers(0, 2, (20, 20)).astype(np.uint8) for _ in range(10)]
    split = split_targets(targets, 2, 0.2, seed=0)
    assert split.kind == "whole images"
    assert sum(v is not None for v in split.validation) == 2
    assert all((t is None) != (v is None) for t, v in zip(split.training, split.validation, strict=True))


def test_an_image_that_alone_has_a_class_is_not_given_away():
    targets = [np.zeros((8, 8), np.uint8) for _ in range(5)]
    targets[2][:] = 1
    for seed in range(10):
        assert split_targets(targets, 2, 0.4, seed).validation[2] is None


def test_a_stack_that_has_most_of_the_labels_is_not_given_away():
    target = np.arange(100, dtype=np.uint8).reshape(10, 10) % 2
    stacks = [None, None, None, *[7] * 50]
    for seed in range(20):
        split = split_targets([target] * len(stacks), 2, 0.2, seed, stacks)
        assert split.kind == "whole images"
        assert [own is not None for own in split.validation].count(True) == 1
        assert split.validation[3] is None


def test_blocks_where_no_image_can_be_given_away():
    """Each has a phase of its own."""
    targets = [np.full((60, 60), label, np.uint8) for label in range(4)]
    split = split_targets(targets, 4, 0.2, seed=0)
    assert split.kind == "blocks"
    assert all(0.15 < labelled(own) / 3600 < 0.4 for own in split.validation)


@pytest.mark.parametrize("seed", range(5))
def test_blocks_of_one_image(seed):
    target = np.zeros((240, 200), np.uint8)
    target[:, 100:] = 1
    target[100:140, 40:120] = 2
    split = split_targets([target], 3, 0.2, seed)
    assert split.kind == "blocks"
    training, validation = split.training[0], split.validation[0]
    assert ((training == UNLABELLED) != (validation == UNLABELLED)).all()
    for label in range(3):
        held = (validation == label).sum() / (target == label).sum()
        assert 0.1 <= held <= 0.4


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_at_least_half_of_each_phase_is_learnt_from_however_much_is_to_be_held_out(share, seed):
    target = np.full((600, 600), UNLABELLED, np.uint8)
    target[50:60, 50:90], target[300:310, 300:340], target[500:510, 320:360] = 0, 1, 2
    target[400:405, 100:300] = 0
    split = split_targets([target], 3, share, seed)
    for label in range(3):
        assert (split.training[0] == label).sum() >= 0.5 * (target == label).sum()


@pytest.mark.parametrize("count", [4, 12])
def test_one_stack_is_held_out_in_blocks_that_go_through_all_its_planes(count):
    """Neighbouring slices are nearly the same image: one of them says nothing about images to come."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, (60, 66)).astype(np.uint8)
    split = split_targets([target] * count, 2, 0.2, seed=0, stacks=[0] * count)
    assert split.kind == "blocks"
    held = [validation != UNLABELLED for validation in split.validation]
    assert all((one == held[0]).all() for one in held)
    assert 0.1 < held[0].mean() < 0.4
    assert all(((t == UNLABELLED) == own).all() for t, own in zip(split.training, held, strict=True))


def test_whole_stacks_are_held_out_when_there_are_enough():
    target = np.arange(100, dtype=np.uint8).reshape(10, 10) % 2
    stacks = [0, 0, 0, 1, 2, 2, 3, None, 4]
    for seed in range(5):
        split = split_targets([target] * len(stacks), 2, 0.4, seed, stacks)
        assert split.kind == "whole images"
        aside = {stack for stack, own in zip(stacks, split.validation, strict=True) if own is not None}
        learnt = {stack for stack, own in zip(stacks, split.training, strict=True) if own is not None}
        assert len(aside) == 2
        assert not aside & learnt


def test_a_single_blob_is_never_held_out_whole():
    target = np.full((120, 120), UNLABELLED, np.uint8)
    target[5:9, 5:9] = 0
    target[100:104, 100:104] = 1
    split = split_targets([target], 2, 0.2, 0)
    assert split.kind == "none"
    assert labelled(split.training[0]) == 32


def test_nothing_when_nothing_is_asked_for():
    target = np.zeros((12, 12), np.uint8)
    split = split_targets([target] * 6, 1, 0.0, 0)
    assert split.kind == "none"
    assert all(v is None for v in split.validation)


def test_phases_that_are_learnt_but_not_measured_on_are_known():
    def showing(*labels):
        image = np.zeros((1, len(labels)), np.float32)
        return LabelledPlane(image, np.array([labels], np.uint8))

    learnt = [showing(0, UNLABELLED), showing(2, 3)]
    assert left_out(learnt, [showing(2, 1, UNLABELLED)], 5) == [0, 3]
    assert left_out(learnt, [], 5) == [0, 2, 3]
    assert left_out(learnt, learnt, 5) == []


def plane(shape):
    return LabelledPlane(np.zeros(shape, np.float32), np.zeros(shape, np.uint8))


def test_planes_that_are_small_enough_are_looked_at_whole():
    planes = [plane((300, 400)), plane((1, 1))]
    assert glimpses(planes, 2, 1 << 20, 0) == planes
    assert glimpses([], 2, 1 << 20, 0) == []


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (4096, 4096)), (7, (960, 1280)), (68, (512, 700)), (300, (512, 512)), (40, (20, 9000))]
)
def test_a_little_of_all_planes_is_looked_at_not_all_of_the_first_few(count, shape):
    planes = [LabelledPlane(np.full(shape, number, np.float32), np.zeros(shape, np.uint8)) for number in range(count)]
    parts = glimpses(planes, 1, 1 << 20, 0)
    assert 0.9 * (1 << 20) < sum(part.image.size for part in parts) <= 1 << 20
    assert all(part.image.shape == part.labels.shape for part in parts)
    seen = [part.image[0, 0] for part in parts]
    assert len(set(seen)) >= 0.5 * min(count, len(parts))
    assert count < 3 or abs(np.mean(seen) / (count - 1) - 0.5) < 0.2
    again = glimpses(planes, 1, 1 << 20, 0)
    assert [part.image[0, 0] for part in again] == seen
    assert count == 1 or [part.image[0, 0] for part in glimpses(planes, 1, 1 << 20, 1)] != seen


def test_parts_show_all_phases_and_nothing_without_labels():
    labels = np.full((6000, 6000), UNLABELLED, np.uint8)
    labels[:100, :6000] = 0
    labels[5551, 3333] = 1
    labels[1000:5000, 2000] = 2
    image = np.arange(6000, dtype=np.float32) + np.zeros((6000, 1), np.float32)
    parts = glimpses([LabelledPlane(image, labels)], 4, 1 << 20, 0)
    assert all((part.labels != UNLABELLED).any() for part in parts)
    assert {0, 1, 2} <= set(np.unique(np.concatenate([part.labels.ravel() for part in parts])))
    (one,) = (part for part in parts if (part.labels == 1).any())
    assert one.image[one.labels == 1] == 3333


def test_what_is_held_out_is_recognised_by_every_pixel():
    def held_out(grey=0.0, label=0, shape=(600, 500)):
        image, labels = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
        image[-1, -1], labels[-1, -1] = grey, label
        return held_out_hash([LabelledPlane(image, labels)])

    assert held_out() == held_out()
    assert len({held_out(), held_out(grey=1), held_out(label=1), held_out(shape=(500, 600))}) == 4
    assert held_out_hash([]) == ""
