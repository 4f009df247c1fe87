import dask.array as da
import numpy as np

from napari_visualccc.core import results
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.results import Provenance, fingerprint

DATA = np.random.default_rng(0).integers(0, 255, (4, 60, 50)).astype(np.uint8)


def test_the_same_pixels_have_the_same_fingerprint_however_stored():
    assert fingerprint(Planes(DATA)) == fingerprint(Planes(da.from_array(DATA, chunks=17)))


def test_any_pixel_changes_the_fingerprint_of_a_small_image():
    for place in [(0, 0, 0), (3, 59, 49), (2, 30, 7)]:
        other = DATA.copy()
        other[place] ^= 1
        assert fingerprint(Planes(other)) != fingerprint(Planes(DATA))


def test_shape_and_type_count():
    assert fingerprint(Planes(DATA)) != fingerprint(Planes(DATA.reshape(2, 120, 50)))
    assert fingerprint(Planes(DATA)) != fingerprint(Planes(DATA.astype(np.uint16)))


def test_large_images_say_that_they_were_sampled(monkeypatch):
    monkeypatch.setattr(results, "_HASH_BLOCK_PIXELS", 16)
    assert fingerprint(Planes(DATA)).startswith("sampled-")


def test_provenance_is_plain_json():
    import json

    record = Provenance("cluster", {"k": 4}, "a.dm3", "blake2b:0", seconds=1.5)
    assert json.loads(json.dumps(record.as_dict()))["parameters"] == {"k": 4}
    assert record.version
