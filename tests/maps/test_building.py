import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_visualccc.core.errors import FileFormatError, OutputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.maps import MapOptions, build_map, extend_map, load_map, most_similar, relink, save_map
from napari_visualccc.maps.reading import Stack, thumbnail


def texture(width, seed, size=96):
    from scipy.ndimage import gaussian_filter

    values = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), width)
    return (values / values.std() * 900 + 9000).astype(np.uint16)


def test_a_map_lays_out_what_looks_alike(made):
    assert len(made) == 24
    assert made.entries["name"].iloc[3] == "film_03"
    order = pd.Series(made.coordinates @ np.linalg.svd(made.coordinates, full_matrices=False)[2][0])
    assert abs(order.corr(made.table["width"], method="spearman")) > 0.6
    found = most_similar(made, made.vectors[10], 5)
    assert found["row"].iloc[0] == 10
    assert found["distance"].iloc[0] == pytest.approx(0, abs=1e-6)
    assert abs(found["row"] - 10).mean() <= 8


def test_a_map_is_one_file_that_needs_no_micrographs(made, folder, tmp_path):
    path = save_map(made, tmp_path / "films.map.zarr.zip")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    again = load_map(path)
    for name in ("vectors", "coordinates", "thumbnails"):
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))
    pd.testing.assert_frame_equal(again.entries, made.entries, check_dtype=False)
    pd.testing.assert_frame_equal(again.table, made.table, check_dtype=False)
    assert again.options == made.options
    assert again.quality == made.quality
    assert again.provenance == made.provenance
    np.testing.assert_array_equal(again.scaled, made.scaled)


def test_moved_micrographs_are_found_by_their_pixels(made, folder, tmp_path):
    moved = tmp_path / "elsewhere" / "deep"
    moved.mkdir(parents=True)
    for number in range(5):
        shutil.copy(folder / f"film_{number:02}.tif", moved / f"renamed_{number}.tif")
    lost = made.entries.assign(path=[f"/nowhere/{name}.tif" for name in made.names])
    found, count = relink(type(made)(**{**vars(made), "entries": lost}), tmp_path)
    assert count == 5
    assert found.entries["path"].iloc[2] == str(moved / "renamed_2.tif")
    assert found.entries["path"].iloc[9].startswith("/nowhere")


def test_odd_files_are_listed_and_duplicates_marked(folder, tmp_path):
    for number in range(4):
        shutil.copy(folder / f"film_{number:02}.tif", tmp_path)
    shutil.copy(folder / "film_01.tif", tmp_path / "z_copy.tif")
    (tmp_path / "broken.tif").write_bytes((folder / "film_00.tif").read_bytes()[:300])
    (tmp_path / "empty.png").write_bytes(b"")
    tifffile.imwrite(tmp_path / "nan.tif", np.full((20, 20), np.nan, np.float32))
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([texture(2, 50), texture(3, 51)]))
    tifffile.imwrite(tmp_path / "rgb.tif", np.dstack([texture(2, 52) >> 8] * 3).astype(np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    made = build_map(tmp_path, device="cpu")
    assert made.names == ["film_00", "film_01", "film_02", "film_03", "rgb", "stack [0]", "stack [1]", "z_copy"]
    assert made.entries["duplicate_of"].tolist() == [""] * 7 + ["film_01"]
    assert len(made.problems) == 3
    assert all(any(name in problem for problem in made.problems) for name in ("broken", "empty", "nan"))


def test_nothing_to_map(tmp_path):
    with pytest.raises(FileFormatError, match="no image"):
        build_map(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(FileFormatError, match="can be read"):
        build_map(tmp_path)
    with pytest.raises(FileFormatError, match="does not exist"):
        build_map(tmp_path / "none")


@pytest.mark.parametrize("count", [1, 2, 6])
def test_one_and_identical_micrographs(tmp_path, count):
    for number in range(count):
        tifffile.imwrite(tmp_path / f"{number}.tif", texture(2, 0))
    made = build_map(tmp_path, device="cpu")
    assert np.isfinite(made.coordinates).all()
    assert (made.entries["duplicate_of"] != "").sum() == count - 1
    again = load_map(save_map(made, tmp_path / "m.zip"))
    assert len(again) == count
    assert again.names == [str(n) for n in range(count)]


def test_new_files_join_without_moving_the_others(made, folder, tmp_path):
    shutil.copy(folder / "film_05.tif", tmp_path)
    tifffile.imwrite(tmp_path / "new.tif", texture(1 + 20 / 8, 99))
    more = extend_map(made, tmp_path, device="cpu")
    assert more.names == [*made.names, "new"]
    np.testing.assert_array_equal(more.coordinates[:24], made.coordinates)
    np.testing.assert_array_equal(more.vectors[:24], made.vectors)
    near = np.argsort(((made.coordinates - more.coordinates[24]) ** 2).sum(axis=1))[:4]
    assert abs(near - 20).mean() <= 8
    assert np.isnan(more.table["width"].iloc[24])


def test_planes_at_hand_are_mapped_too():
    planes = Planes(np.stack([texture(w, w) for w in (1, 2, 3, 4)]))
    names = ("a", "b", "c", "d")
    made = build_map(Stack(planes, PixelSize(2, 2, "nm"), names, ("",) * 4, "stack"), MapOptions(), device="cpu")
    assert made.names == list(names)
    assert made.entries["pixel_nm"].tolist() == [2.0] * 4


def test_files_that_are_no_maps(tmp_path, made):
    import zarr

    (tmp_path / "a.zip").write_bytes(b"PK no")
    with zarr.storage.ZipStore(tmp_path / "b.zip", mode="w") as store:
        zarr.create_group(store)
    whole = save_map(made, tmp_path / "c.zip").read_bytes()
    (tmp_path / "c.zip").write_bytes(whole[: len(whole) // 2])
    for name in ("a.zip", "b.zip", "c.zip", "none.zip"):
        with pytest.raises(FileFormatError, match=name):
            load_map(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_map(made, tmp_path / "file" / "m.zip")


def test_thumbnails_keep_the_aspect():
    wide = np.tile(np.linspace(0, 1, 300, dtype=np.float32), (100, 1))
    small = thumbnail(wide, 0, 1, 60)
    assert small.shape == (60, 60)
    assert np.flatnonzero(small.any(axis=1)).tolist() == list(range(20, 40))
    assert (np.diff(small[30].astype(int)) > 0).all()
    assert (thumbnail(np.full((3, 3), np.nan, np.float32), 0, 0) <= 1).all()
