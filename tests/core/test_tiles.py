import numpy as np
import pytest

from napari_visualccc.core.tiles import blend_weights, fitting_size, overlapping_tiles, tile_plane

SHAPES = [
    ((100, 37), 32, 8),
    ((33, 33), 32, 16),
    ((10, 10), 32, 4),
    ((500, 300), 64, 48),
    ((130, 64), 64, 0),
    ((1, 1), 8, 2),
    ((130, 64), (70, 33), 10),
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
    for axis, edge in enumerate((size, size) if isinstance(size, int) else size):
        lengths = {tile.core[axis].stop - tile.core[axis].start for tile in tiles}
        assert lengths == {min(edge, shape[axis])}
        starts = sorted({tile.core[axis].start for tile in tiles})
        assert starts[0] == 0
        assert all(b - a <= edge - overlap for a, b in zip(starts, starts[1:], strict=False))
        assert starts[-1] + min(edge, shape[axis]) == shape[axis]


@pytest.mark.parametrize("length", [1, 100, 1024, 1025, 1152, 1153, 2048, 2049, 3000, 4096, 5120, 16384])
def test_fitting_tiles_are_little_larger_than_asked_and_never_more_work(length):
    height, width = fitting_size((length, 700), 1024, 128, multiple=64)
    assert width == 1024
    assert height <= 1152
    assert height == length or height % 64 == 0
    fitted, asked = (len(overlapping_tiles((length, 700), size, 128)) for size in ((height, width), 1024))
    assert fitted <= asked
    assert fitted * min(height, length) <= 1.02 * asked * min(1024, length)


def test_fitting_tiles_save_half_the_work_where_a_camera_is_twice_as_wide():
    shape = (2048, 2048)
    fitted, asked = fitting_size(shape, 1024, 128, multiple=32), (1024, 1024)
    pixels = [len(overlapping_tiles(shape, size, 128)) * size[0] * size[1] for size in (fitted, asked)]
    assert fitted == (1088, 1088)
    assert pixels[0] < 0.51 * pixels[1]


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
