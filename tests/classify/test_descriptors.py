import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_visualccc.classify import shapes, texture


def fine(seed=0, shape=(160, 200)):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def discs_and_rods(rods):
    y, x = np.mgrid[:256, :256]
    image = np.zeros((256, 256), np.float32)
    for cy in range(24, 256, 48):
        for cx in range(32, 256, 64):
            image += (np.hypot(y - cy, x - cx) < 12) if not rods else ((abs(y - cy) < 4) & (abs(x - cx) < 26))
    return image + np.random.default_rng(0).normal(0, 0.05, image.shape).astype(np.float32)


def test_texture_is_the_same_turned_and_mirrored():
    image = gaussian_filter(fine(), 1.5).astype(np.float32)
    image /= image.std()
    first = texture.texture_of(image)
    assert first.shape == (texture.SIZE,)
    for view in (image[::-1], image[:, ::-1], np.rot90(image)):
        assert np.allclose(texture.texture_of(np.ascontiguousarray(view)), first, atol=0.25)


def test_scale_moves_the_energy():
    first, second = (gaussian_filter(fine(), sigma).astype(np.float32) for sigma in (1, 6))
    amplitude = [texture.texture_of(one / one.std())[0 : 4 * texture.LEVELS : 4] for one in (first, second)]
    assert amplitude[0].argmax() < amplitude[1].argmax()


def test_masked_part_does_not_count():
    image = fine()
    marked = image.copy()
    marked[100:, :] = 0
    counts = np.ones(image.shape, bool)
    counts[100:, :] = False
    alone, part = texture.texture_of(image[:100]), texture.texture_of(marked, counts)
    assert np.allclose(part[:8], alone[:8], atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (7, 9), (40, 40)])
def test_small_and_constant_parts_give_finite_numbers(shape):
    for values in (np.zeros(shape, np.float32), np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)):
        assert np.isfinite(texture.texture_of(values)).all()
        assert np.isfinite(shapes.shapes_of(values)).all()


def test_shapes_tell_discs_from_rods():
    found = [shapes.shapes_of(discs_and_rods(rods)) for rods in (False, True)]
    ratios = [one[:6] for one in found]  # bright regions by number: ratio of axes
    assert ratios[0][5] > 0.9
    assert ratios[1][:2].sum() > 0.9
    lengths = [one[12:18] for one in found]
    assert lengths[1].argmax() > lengths[0].argmax()


def test_length_of_a_disc_is_zero():
    y, x = np.mgrid[:200, :200]
    numbers = shapes._described(np.hypot(y - 100, x - 100) < 60)
    assert abs(numbers[-1]) < 0.1  # log2 of the length in widths, by area
