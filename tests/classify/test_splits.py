import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from napari_visualccc.classify import dataset_of, examples_of_stack, read_dataset
from napari_visualccc.classify.duplicates import find_duplicates, look_at
from napari_visualccc.classify.splits import grouped_folds, joined_groups
from napari_visualccc.core.errors import FileFormatError, InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.io import write_tiff


def test_groups_stay_on_one_side_and_every_class_is_learnt():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 90)
    targets = (groups % 3 == 0).astype(int)
    folds = grouped_folds(targets, groups, 4)
    assert sorted(np.concatenate([fold.measured for fold in folds])) == list(range(90))
    for fold in folds:
        assert not set(groups[fold.learnt]) & set(groups[fold.measured])
        assert set(targets[fold.learnt]) == {0, 1}


def test_folds_without_a_class_to_learn_are_left_out():
    assert grouped_folds(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 5) == []
    folds = grouped_folds(np.array([0, 0, 0, 1, 1]), np.arange(5), 5)
    assert len(folds) == 2


def test_linked_groups_become_one():
    groups = np.array([0, 0, 1, 2, 3])
    joined = joined_groups(groups, [(1, 2), (2, 3)])
    assert len(set(joined[:4])) == 1
    assert joined[4] != joined[0]


def test_near_duplicates_are_found_through_what_saving_does():
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(0, 1, (180, 240)), 6).astype(np.float32)
    other = gaussian_filter(rng.normal(0, 1, (180, 240)), 6).astype(np.float32)
    planes = [field, field.copy(), 3 * field + 7, zoom(field, 0.5, order=1), np.roll(field, 1, 1), other,
              np.full((30, 30), 5, np.float32), np.full((30, 30), 6, np.float32)]  # fmt: skip
    found = find_duplicates([look_at(np.asarray(plane, np.float32)) for plane in planes])
    pairs = {(one.first, one.second) for one in found}
    assert {(0, 1), (0, 2), (0, 3), (0, 4)} <= pairs
    assert not any({5, 6, 7} & set(pair) for pair in pairs)
    assert [one.exact for one in found if (one.first, one.second) == (0, 1)] == [True]


def write_images(folder, names):
    for number, name in enumerate(names):
        write_tiff(folder / name, np.random.default_rng(number).integers(0, 255, (40, 50), np.uint8), PixelSize())


def test_folder_per_class_with_splits(tmp_path):
    write_images(tmp_path, ["train/a/1.tif", "train/b/1.tif", "val/a/2.tif"])
    dataset = read_dataset(tmp_path)
    assert dataset.counts() == {"a": 2, "b": 1}
    assert [one.split for one in dataset.examples] == ["train", "train", "val"]


def test_table_with_groups_and_rows_without_label(tmp_path):
    write_images(tmp_path, ["x.tif", "y.tif", "z.tif"])
    table = tmp_path / "t.csv"
    table.write_text("﻿path;label;group;split\nx.tif;a;s1;train\ny.tif;b;s1;valid\nz.tif;;s2;train\n", encoding="utf-8")
    dataset = read_dataset(table)
    assert [(one.label, one.group, one.split) for one in dataset.examples] == [("a", "s1", "train"), ("b", "s1", "val")]
    assert "1 rows" in dataset.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [("path,class\nx.tif,a\n", "lacks the column"), ("path,label\nnone.tif,a\n", "not there"), ("", "lacks")],
)
def test_bad_tables_are_explained(tmp_path, text, words):
    table = tmp_path / "t.csv"
    table.write_text(text)
    with pytest.raises(FileFormatError, match=words):
        read_dataset(table)


def test_stack_with_labels_on_some_planes():
    stack = np.zeros((5, 40, 40), np.uint16)
    examples = examples_of_stack(stack, {0: "a", 3: "b"}, name="s")
    assert [(one.plane, one.label) for one in examples] == [(0, "a"), (3, "b")]
    assert dataset_of(examples, names=["b"]).names == ("b", "a")
    with pytest.raises(InputError, match="0 … 4"):
        examples_of_stack(stack, {5: "a"})
