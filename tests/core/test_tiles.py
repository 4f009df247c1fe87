import numpy as np
import pytest

from napari_visualccc.core.tiles import blend_weights, overlapping_tiles, tile_plane

SHAPES = [
    ((100, 37), 32, 8),
    ((33, 33), 32, 16),
    ((10, 10), 32, 4),
    ((500, 300), 64, 48),
    ((130, 64), 64, 0),
    ((1, 1), 8, 2),
]


@pytest.mark.parametrize(("shape", "size", "overlap"), SHAPES)
def test_blending_weights_sum_to_exactly_one(shape, size, overlap):
    total = np.zeros(shape, np.float32)
    for tile in overlapping_tiles(shape, size, overlap):
        total[tile.core] += blend_weights(shape, size, overlap, tile)
    assert (total == 1).all()


@pytest.mark.parametrize(("shape", "size", "overlap"), SHAPES)
def test_overlapping_tiles_are_of_one_size_and_overlap_enough(shape, size, overlap):
    tiles = overlapping_tiles(shape, size, overlap)
    for axis in (0, 1):
        lengths = {tile.core[axis].stop - tile.core[axis].start for tile in tiles}
        assert lengths == {min(size, shape[axis])}
        starts = sorted({tile.core[axis].start for tile in tiles})
        assert starts[0] == 0
        assert all(b - a <= size - overlap for a, b in zip(starts, starts[1:], strict=False))
        assert starts[-1] + min(size, shape[axis]) == shape[axis]


@pytest.mark.parametrize("halo", [0, 3, 50])
def test_cores_partition_the_plane_and_inner_finds_them(halo):
    plane = np.arange(45 * 31).reshape(45, 31)
    seen = np.zeros(plane.shape, int)
    for tile in tile_plane(plane.shape, 16, halo):
        seen[tile.core] += 1
        np.testing.assert_array_equal(plane[tile.outer][tile.inner], plane[tile.core])
    assert (seen == 1).all()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="cannot cut"):
        list(tile_plane((0, 5), 8))
    with pytest.raises(ValueError, match="overlap"):
        overlapping_tiles((10, 10), 8, 8)
