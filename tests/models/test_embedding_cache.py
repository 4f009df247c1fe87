from dataclasses import replace

import numpy as np

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.models.embedding_cache import EmbeddingCache
from napari_visualccc.models.micrographs import Micrograph

VECTOR = np.arange(64, dtype=np.float32)


def none_found(planes, index):
    raise AssertionError("nothing is searched for a name")


def test_names_tell_apart_what_gives_other_vectors():
    stack = Planes(np.arange(200).reshape(2, 10, 10))
    image, key = Micrograph(stack), EmbeddingCache.key
    items = [
        image, replace(image, index=1), replace(image, mask=np.zeros((10, 10), bool)),
        replace(image, mask=none_found), replace(image, pixel_size=PixelSize(2, 2, "nm")),
    ]  # fmt: skip
    names = {*(key(item, "a") for item in items), key(image, "b")}
    assert len(names) == 6
    assert key(Micrograph(Planes(np.arange(100, 200).reshape(10, 10), name="another file")), "a") in names


def test_a_later_version_of_what_finds_a_mask_has_other_names(monkeypatch):
    item = Micrograph(Planes(np.arange(100).reshape(10, 10)), mask=none_found)
    before = EmbeddingCache.key(item, "a")
    monkeypatch.setattr(none_found, "version", 2, raising=False)
    assert EmbeddingCache.key(item, "a") != before


def test_other_lengths_are_not_taken(tmp_path):
    cache = EmbeddingCache(tmp_path / "deep" / "c.sqlite")
    cache.put({"a": VECTOR})
    again = EmbeddingCache(tmp_path / "deep" / "c.sqlite")
    np.testing.assert_array_equal(again.get("a", 64), VECTOR)
    assert again.get("a", 63) is None


def test_damaged_and_forbidden_files_cost_nothing_but_time(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"not a data base" * 100)
    cache = EmbeddingCache(path)
    cache.put({"a": VECTOR})
    np.testing.assert_array_equal(cache.get("a", 64), VECTOR)
    (tmp_path / "file").write_text("")
    nowhere = EmbeddingCache(tmp_path / "file" / "c.sqlite")
    nowhere.put({"a": VECTOR})
    assert nowhere.get("a", 64) is None


def test_a_cache_that_is_damaged_meanwhile_is_done_without(tmp_path, caplog):
    caches = [EmbeddingCache(tmp_path / f"{name}.sqlite") for name in ("read", "written")]
    for cache in caches:
        cache.put({"a": VECTOR})
        for path in tmp_path.glob(f"{cache.path.name}*"):
            path.write_bytes(b"not a data base" * 1000)
    assert caches[0].get("a", 64) is None
    caches[1].put({"b": VECTOR})
    assert [cache.get("a", 64) for cache in caches] == [None, None]
    assert caplog.text.count("is not used any more") == 2


def test_the_oldest_go_first(tmp_path):
    cache = EmbeddingCache(tmp_path / "c.sqlite", most_bytes=400_000)
    for number in range(3000):
        cache.put({str(number): VECTOR})
    assert cache.get("0", 64) is None
    assert cache.get("2999", 64) is not None
