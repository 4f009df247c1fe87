import dask.array as da
import numpy as np
import pytest

from napari_visualccc.core import scan as scan_module
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.scan import sample_pixels, scan, spread

DATA = np.random.default_rng(0).integers(0, 1000, (3, 70, 50)).astype(np.uint16)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("small", [1, 1 << 20])
def test_tiles_arrive_with_their_margin(monkeypatch, lazy, small):
    monkeypatch.setattr(scan_module, "_SMALL_PIXELS", small)
    planes = Planes(da.from_array(DATA, chunks=(1, 70, 50)) if lazy else DATA)
    out = np.zeros(DATA.shape, np.uint16)

    def check(values, index, tile):
        np.testing.assert_array_equal(values, DATA[index][tile.outer])
        out[index][tile.core] = values[tile.inner]
        return int(values[tile.inner].sum())

    total = sum(result for _, _, result in scan(planes, check, tile_size=16, halo=5, native=True))
    np.testing.assert_array_equal(out, DATA)
    assert total == DATA.sum()


def test_a_lazy_plane_is_loaded_once(monkeypatch):
    monkeypatch.setattr(scan_module, "_SMALL_PIXELS", 1)
    loads = []

    def load(block):
        loads.append(1)
        return block

    lazy = da.from_array(DATA, chunks=(1, 70, 50)).map_blocks(load, dtype=DATA.dtype, meta=np.empty((0, 0, 0), "u2"))
    list(scan(Planes(lazy), lambda *_: None, tile_size=16))
    assert len(loads) == 3


def test_only_the_chosen_tiles_are_visited():
    wanted = {(0, 16, 16), (2, 64, 48)}
    seen = {(index, *tile.place) for index, tile, _ in scan(Planes(DATA), lambda *_: None, tile_size=16, only=wanted)}
    assert seen == wanted


def test_samples_are_finite_and_from_all_over():
    data = DATA.astype(float)
    data[0] = np.nan
    drawn = sample_pixels(Planes(data), 3000, np.random.default_rng(0))
    assert np.isfinite(drawn).all()
    assert abs(drawn.mean() - DATA[1:].mean()) < 30


def test_spread_covers_both_ends():
    assert spread(10, 3) == [0, 4, 9]
    assert spread(2, 5) == [0, 1]
    assert spread(1, 1) == [0]
