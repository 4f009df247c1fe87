"""What label values mean, and what is said when they mean nothing."""

import numpy as np
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.segment import annotated, dataset_of_masks, dataset_of_strokes, with_offset


def item(labels, image=None, **words):
    labels = np.asarray(labels)
    return annotated(np.zeros(labels.shape, np.float32) if image is None else image, labels, **words)


def test_values_of_masks_are_the_classes():
    dataset = dataset_of_masks([item([[0, 255], [255, 0]])], names=["ground", "phase"])
    assert dataset.values == (0, 255)
    assert dataset.targets(dataset.items[0], 0).tolist() == [[0, 1], [1, 0]]


def test_names_may_cover_classes_that_these_images_lack():
    dataset = dataset_of_masks([item([[0, 2]])], names=["a", "b", "c"])
    assert dataset.values == (0, 1, 2)
    assert dataset.targets(dataset.items[0], 0).tolist() == [[0, 2]]


def test_ignored_and_not_finite_pixels_are_unlabelled():
    image = np.array([[0, 1, np.nan, 2]], np.float32)
    dataset = dataset_of_masks([item([[0, 1, 1, 9]], image)], ignore=9)
    assert dataset.targets(dataset.items[0], 0).tolist() == [[0, 1, UNLABELLED, UNLABELLED]]


def test_numbered_particles_are_one_class_when_told():
    labels = np.arange(100, dtype=np.uint16).reshape(10, 10)
    with pytest.raises(InputError, match="--binary"):
        dataset_of_masks([item(labels)])
    dataset = dataset_of_masks([item(labels)], names=["ground", "particle"], binary=True)
    assert dataset.targets(dataset.items[0], 0).sum() == 99


def test_strokes_leave_zero_out():
    dataset = dataset_of_strokes([item([[0, 1, 3]])], names={1: "Li"})
    assert [one.name for one in dataset.classes] == ["Li", "phase 3"]
    assert dataset.targets(dataset.items[0], 0).tolist() == [[UNLABELLED, 0, 1]]


@pytest.mark.parametrize(("labels", "words"), [([[0, 0]], "nothing is painted"), ([[0, 2]], "only phase 2")])
def test_too_few_strokes(labels, words):
    with pytest.raises(InputError, match=words):
        dataset_of_strokes([item(labels)])


def test_one_class_alone_teaches_nothing():
    with pytest.raises(InputError, match="only the value 0"):
        dataset_of_masks([item(np.zeros((4, 4), np.uint8))])


def test_wrong_number_of_names():
    with pytest.raises(OptionError, match="2 class names"):
        dataset_of_masks([item([[0, 1, 7]])], names=["a", "b"])


def test_shapes_and_types_are_checked_at_the_door():
    with pytest.raises(InputError, match=r"tem\.dm4.*shape"):
        item(np.zeros((4, 4), int), np.zeros((4, 5)), name="tem.dm4")
    with pytest.raises(InputError, match="whole numbers"):
        item(np.zeros((4, 4), float))


def test_a_new_value_later_is_named():
    dataset = dataset_of_masks([item([[0, 1]])])
    with pytest.raises(InputError, match="label 5"):
        dataset.targets(item([[0, 5]]), 0)


def test_stacks_give_all_their_planes():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[1] = 1
    dataset = dataset_of_masks([item(labels), item([[0, 1]])])
    assert len(list(dataset.planes)) == 4


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_targets_of_a_few_strokes_are_those_of_the_whole_plane(dtype):
    labels = np.zeros((40, 30), dtype)
    labels[3, 4:9], labels[39, 29] = 1, 2
    dataset = dataset_of_strokes([annotated(np.zeros((40, 30), np.uint8), labels)])
    expected = np.where(labels == 0, UNLABELLED, labels.astype(int) - 1)
    np.testing.assert_array_equal(dataset.targets(dataset.items[0], 0), expected)


@pytest.mark.parametrize(
    ("values", "names", "ignore", "classes"),
    [
        ([0, 1, 2], "ab", 0, {1: "a", 2: "b"}),
        ([1, 2], "abc", 0, {1: "b", 2: "c"}),
        ([0, 2], "abc", None, {0: "a", 1: "b", 2: "c"}),
        ([0, 2], "abcd", 1, {0: "a", 2: "c", 3: "d"}),
        ([0, 1, 255], "ab", 255, {0: "a", 1: "b"}),
        ([3, 7, -1], "ab", None, {3: "a", 7: "b"}),
    ],
)
def test_names_are_of_the_values_there_or_of_those_from_0_and_never_of_the_ignored(values, names, ignore, classes):
    dataset = dataset_of_masks([item([values])], names=list(names), ignore=ignore)
    assert {one.value: one.name for one in dataset.classes} == classes
    assert dataset.unlabelled == ()


def test_more_names_than_values_count_from_0_only_if_0_is_there():
    with pytest.raises(OptionError, match=r"3 class names were given \(a, b, c\) for the values \[1, 2\]"):
        dataset_of_masks([item([[1, 2]])], names=["a", "b", "c"])


def test_names_of_particles_are_two():
    with pytest.raises(OptionError, match="3 class names"):
        dataset_of_masks([item([[0, 5]])], names=["a", "b", "c"], binary=True)
    with pytest.raises(InputError, match="only the value 1"):
        dataset_of_masks([item([[0, 5]])], ignore=0, binary=True)


@pytest.mark.parametrize("make", [dataset_of_masks, dataset_of_strokes])
def test_minus_one_has_no_label_and_other_negative_values_are_refused(make):
    dataset = make([item([[-1, 1, 2]])])
    assert dataset.values == (1, 2)
    assert dataset.targets(dataset.items[0], 0).tolist() == [[UNLABELLED, 0, 1]]
    with pytest.raises(InputError, match="negative value -3"):
        make([item([[-3, 1, 2]])])


def test_particles_have_no_negative_numbers():
    dataset = dataset_of_masks([item([[-1, 0, 7]])], binary=True)
    assert dataset.targets(dataset.items[0], 0).tolist() == [[UNLABELLED, 0, 1]]
    with pytest.raises(InputError, match="label -2"):
        dataset.targets(item([[-2, 0, 7]]), 0)


def test_strokes_may_have_another_value_that_says_nothing():
    dataset = dataset_of_strokes([item([[0, 1, 2, 9]])], ignore=9)
    assert dataset.values == (1, 2)
    assert dataset.targets(dataset.items[0], 0).tolist() == [[UNLABELLED, 0, 1, UNLABELLED]]


def test_what_has_no_label_has_none_after_an_offset():
    moved = with_offset(item(np.array([[-1, 0, 1, 255]])), 1, 255)
    assert moved.labels.read(0).tolist() == [[-1, 1, 2, -1]]
    assert with_offset(item(np.array([[0, 255]], np.uint8)), 1).labels.read(0).tolist() == [[1, 256]]
    with pytest.raises(InputError, match="label 0, which -1 makes negative"):
        with_offset(item([[0, 1]]), -1)
