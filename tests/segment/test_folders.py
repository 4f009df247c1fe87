"""Which files are images, and which masks are theirs."""

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_visualccc.core.errors import FileFormatError, InputError
from napari_visualccc.segment import pair_files, pair_labels
from napari_visualccc.segment.folders import source_files

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)


def fill(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        iio.imwrite(folder / name, PIXELS)
    return folder


def test_images_and_masks_of_one_name(tmp_path, caplog):
    images = fill(tmp_path / "images", "a.tif", "b.png", "c.tif")
    masks = fill(tmp_path / "masks", "a_mask.png", "b.png", "d.png", "d_mask.png")
    assert [pair.name for pair in pair_files(images, masks)] == ["a.tif", "b.png"]
    assert "1 of 3 images" in caplog.text
    assert "left out: c.tif" in caplog.text
    assert "2 of 4 masks" in caplog.text
    assert "left out: d.png, d_mask.png" in caplog.text
    caplog.clear()
    assert len(pair_files(images / "a.tif", masks)) == 1
    assert not caplog.text


def test_names_may_differ_in_case(tmp_path):
    images = fill(tmp_path / "images", "x0.TIF", "x1.tif", "IMG_2.tif")
    masks = fill(tmp_path / "masks", "X0.png", "x1_Mask.png", "img_2-LABELS.png")
    assert len(pair_files(images, masks)) == 3


def test_the_same_case_goes_first(tmp_path, caplog):
    images, masks = fill(tmp_path / "images", "x0.tif"), tmp_path / "masks"
    for number, name in enumerate(("X0.png", "x0_Mask.png")):
        fill(masks)
        iio.imwrite(masks / name, PIXELS % 3 + np.uint8(number))
    (pair,) = pair_files(images, masks)
    np.testing.assert_array_equal(pair.labels.read(0), PIXELS % 3 + 1)
    assert "1 of 2 masks" in caplog.text
    fill(images, "X0.png")
    assert [int(pair.labels.read(0).min()) for pair in pair_files(images, masks)] == [0, 1]


def test_images_and_masks_in_one_folder(tmp_path, caplog):
    folder = fill(tmp_path / "set", "x0.tif", "x0_mask.png", "x1.tif", "x1_mask.png", "x2.tif", "x3_mask.png")
    for images in (folder, folder.parent / "set" / ".." / "set"):
        assert [pair.name for pair in pair_files(images, folder)] == ["x0.tif", "x1.tif"]
    assert "1 of 3 images" in caplog.text
    assert "1 of 3 masks" in caplog.text
    assert [pair.name for pair in pair_files(folder / "x1.tif", folder)] == ["x1.tif"]
    with pytest.raises(InputError, match="no image in .* has a mask"):  # not even itself
        pair_files(folder / "x2.tif", folder)
    images = fill(tmp_path / "images", "x0.tif")
    with pytest.raises(InputError, match="holds the images, but no masks: give"):
        pair_files(images, images)


def test_folders_within_are_named(tmp_path):
    fill(tmp_path / "s10", "a.tif")
    (tmp_path / ".cache").mkdir()
    with pytest.raises(FileFormatError, match="no image file; folders within it, such as s10, are not searched"):
        source_files(tmp_path)


def test_of_several_images_in_a_file_the_first_is_read_and_that_told(tmp_path, caplog):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for n in range(2):
            file.write(PIXELS + np.uint8(n), metadata={"axes": "YX", "Name": f"scan {n}"})
    masks = fill(tmp_path / "masks", "a.png")
    (pair,) = pair_files(path, masks)
    np.testing.assert_array_equal(pair.image.read(0), PIXELS)
    assert "holds 2 images: only the first is read" in caplog.text


def test_two_masks_of_one_image_are_refused(tmp_path):
    images = fill(tmp_path / "images", "a.tif", "b.tif")
    masks = fill(tmp_path / "masks", "a.png", "a_mask.png", "b.png")
    with pytest.raises(InputError, match=r"a\.tif has two masks in .*, a\.png and a_mask\.png"):
        pair_files(images, masks)


def test_results_of_ours_are_no_images_but_may_be_masks(tmp_path):
    images = fill(tmp_path / "images", "a.tif", "a_phases.ome.tif", "a_entropy.ome.tif", "b_phases.ome.tif")
    (images / "a_provenance.json").write_text("{}")
    # Nothing says that the labels of b are ours.
    assert [path.name for path in source_files(images)] == ["a.tif", "b_phases.ome.tif"]
    assert source_files(images / "a_phases.ome.tif") == [images / "a_phases.ome.tif"]
    masks = fill(tmp_path / "masks", "a_phases.ome.tif")
    (masks / "a_provenance.json").write_text("{}")
    assert [pair.name for pair in pair_files(images, masks)] == ["a.tif"]
    with pytest.raises(FileFormatError, match="only results"):
        source_files(masks)


def test_masks_with_a_palette_and_of_floating_point(tmp_path):
    images = fill(tmp_path / "images", "a.tif", "b.tif")
    (tmp_path / "masks").mkdir()
    picture = Image.fromarray(PIXELS % 3)
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    picture.save(tmp_path / "masks" / "a.png")
    np.save(tmp_path / "masks" / "b.npy", PIXELS % 3 / 1)
    for pairs in (pair_files(images, tmp_path / "masks"), pair_labels(tmp_path / "masks", tmp_path / "masks")):
        assert len(pairs) == 2
        for pair in pairs:
            np.testing.assert_array_equal(pair.labels.read(0), PIXELS % 3)
    assert pairs[0].image.is_integer
    assert pairs[1].image.is_integer


def test_jpeg_may_be_an_image_but_no_mask(tmp_path):
    images = fill(tmp_path / "images", "a.jpg")
    assert len(pair_files(images, fill(tmp_path / "masks", "a.png"))) == 1
    masks = fill(tmp_path / "jpeg", "a.jpg")
    for pair in (pair_files, pair_labels):
        with pytest.raises(InputError, match=r"a\.jpg is a JPEG picture"):
            pair(masks.parent / "masks", masks)
