import numpy as np
import pytest

from napari_visualccc.classify.vectors import Looker
from napari_visualccc.core.planes import Planes
from napari_visualccc.models.embedding_cache import EmbeddingCache
from napari_visualccc.models.micrographs import Micrograph
from napari_visualccc.models.nn.embedding import Embedder
from napari_visualccc.processing import text
from napari_visualccc.processing.text import marks_of


@pytest.fixture(scope="module")
def picture():
    values = (120 + np.random.default_rng(0).normal(0, 15, (120, 160))).clip(10, 240)
    values[106:109, 100:150] = 255
    return values.astype(np.uint8)


@pytest.fixture
def nothing_is_searched(monkeypatch):
    def refuse(*_):
        raise AssertionError("searched")

    return lambda: monkeypatch.setattr(text, "overlay_mask", refuse)


def test_marks_are_hidden_unless_the_plane_has_a_mask(picture):
    item = Micrograph(Planes(picture))
    without, plain = (Looker(mask_marks=hide, device="cpu").look([item]).vectors for hide in (True, False))
    assert not np.allclose(without, plain)
    everything = np.zeros(picture.shape, bool)
    own = Looker(device="cpu").look([Micrograph(Planes(picture), mask=everything)]).vectors
    np.testing.assert_array_equal(own, plain)


def test_a_known_plane_is_searched_by_nobody(picture, tmp_path, nothing_is_searched):
    item = Micrograph(Planes(picture))
    cache = EmbeddingCache(tmp_path / "vectors.sqlite")
    looker = Looker(device="cpu", cache=cache)
    first = looker.look([item])
    nothing_is_searched()
    again = looker.look([item])
    np.testing.assert_array_equal(again.vectors, first.vectors)
    later = Looker(device="cpu", cache=cache).look([item])
    np.testing.assert_array_equal(later.vectors, first.vectors)
    assert later.looks[0].digest == first.looks[0].digest
    # What was seen for a classifier is known to a map.
    mapped = Embedder(device="cpu").stream([Micrograph(Planes(picture), mask=marks_of)], 1, cache=cache)
    np.testing.assert_array_equal(next(mapped), first.vectors[0])


def test_what_is_not_remembered_is_looked_at_again(picture, tmp_path, nothing_is_searched):
    item = Micrograph(Planes(picture))
    cache = EmbeddingCache(tmp_path / "vectors.sqlite")
    looker = Looker(device="cpu", cache=cache)
    looker.look([item], remember=False)
    nothing_is_searched()
    with pytest.raises(AssertionError, match="searched"):
        looker.look([item])


def test_no_planes_no_vectors():
    sight = Looker(device="cpu").look([])
    assert sight.vectors.shape == (0, 960)
    assert sight.looks == ()
