"""Strokes kept on disk, and where to paint next."""

import numpy as np
import pytest

from napari_visualccc.core.errors import FileFormatError, OutputError
from napari_visualccc.segment import suggest_places
from napari_visualccc.segment.strokes import Strokes, autosave_path, load_strokes, save_strokes


@pytest.fixture
def strokes():
    labels = np.zeros((3, 40, 50), np.uint8)
    labels[1, 4:8, 10:30] = 1
    labels[2, 20:30, 5] = 3
    return Strokes(labels, {1: "Li", 2: "Li₂O", 3: "LiF"})


def test_what_is_kept_comes_back(strokes, tmp_path):
    path = tmp_path / "deep" / "a.npz"
    assert save_strokes(path, strokes) == {1: 80, 3: 10}
    again = load_strokes(path, (3, 40, 50))
    np.testing.assert_array_equal(again.labels, strokes.labels)
    assert again.names == strokes.names


def test_a_large_empty_stack_takes_no_room(tmp_path):
    labels = np.zeros((20, 1000, 1000), np.uint8)
    labels[3, 5, 7] = 2
    save_strokes(tmp_path / "a.npz", Strokes(labels, {}))
    assert (tmp_path / "a.npz").stat().st_size < 2000


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", b"no zip"])
def test_damaged_files_are_named(content, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.npz"):
        load_strokes(path, (3, 4))


def test_truncated_and_foreign(strokes, tmp_path):
    path = tmp_path / "a.npz"
    save_strokes(path, strokes)
    with pytest.raises(FileFormatError, match="shape"):
        load_strokes(path, (3, 40, 51))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(FileFormatError):
        load_strokes(path, (3, 40, 50))


def test_a_full_disk_keeps_the_earlier_file(strokes, tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    save_strokes(path, strokes)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OutputError, match="No space left"):
        save_strokes(path, strokes)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]


def test_autosave_path_has_no_colon():
    assert ":" not in autosave_path("blake2b:0123").name


def test_uncertain_patches_come_before_uncertain_outlines():
    """A thin line of full entropy against a patch of half entropy."""
    entropy = np.zeros((200, 200), np.float32)
    entropy[:, 100] = 1.0
    entropy[20:60, 20:60] = 0.5
    first = suggest_places(entropy, count=1)[0]
    assert 20 <= first.y < 60
    assert 20 <= first.x < 60


def test_places_are_far_apart_and_unpainted():
    rng = np.random.default_rng(0)
    entropy = rng.random((2, 150, 160)).astype(np.float32)
    entropy[1] *= 0.5
    painted = np.zeros(entropy.shape, np.uint8)
    painted[0, :, :80] = 1
    places = suggest_places(entropy, painted, count=4)
    assert len(places) == 4
    assert all(place.plane == 0 and place.x >= 80 for place in places)
    assert [p.uncertainty for p in places] == sorted((p.uncertainty for p in places), reverse=True)
    for i, a in enumerate(places):
        assert all(max(abs(a.y - b.y), abs(a.x - b.x)) > 15 for b in places[:i])


def test_places_of_a_stack_are_not_one_place_in_all_its_planes():
    """One spot is the most uncertain in all planes, with a maximum in plane 4; others are a little less so."""
    spots = [(30, 30), (30, 110), (110, 30), (110, 110), (70, 70)]
    entropy = np.zeros((9, 140, 140), np.float32)
    for plane in range(9):
        for number, (y, x) in enumerate(spots):
            height = (0.9, 0.75, 0.7, 0.65, 0.6)[number] - 0.01 * abs(plane - 4)
            entropy[plane, y - 8 : y + 9, x - 8 : x + 9] = height
    places = suggest_places(entropy, count=5)
    assert sorted((place.y, place.x) for place in places) == sorted(spots)
    assert (places[0].plane, places[0].y, places[0].x) == (4, 30, 30)
    far = np.zeros((60, 140, 140), np.float32)
    far[[3, 4, 50], 22:39, 22:39] = 0.9
    far[4, 102:119, 102:119] = 0.6
    found = suggest_places(far, count=3)
    assert {(place.plane, place.y) for place in found} in ({(3, 30), (50, 30), (4, 110)}, {(4, 30), (50, 30), (4, 110)})


def test_certain_and_masked_images_give_nothing():
    assert suggest_places(np.zeros((50, 50))) == []
    assert suggest_places(np.full((50, 50), np.nan)) == []
    assert suggest_places(np.ones((30, 30)), np.ones((30, 30), np.uint8)) == []
