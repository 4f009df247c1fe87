"""Which views of a micrograph are micrographs of the same kind."""

import numpy as np
import pytest

from napari_visualccc.models.symmetry import SYMMETRIES, VIEWS, symmetry_of


def stripes(seed, grey=(0.0, 1.0, 0.5), shape=(60, 80)):
    """Three layers of uneven thickness, with noise."""
    rng = np.random.default_rng(seed)
    edges = (shape[0] * (np.array([1, 2]) / 3 + rng.uniform(-0.05, 0.05, 2))).astype(int)
    image = np.full(shape, grey[2])
    image[: edges[0]] = grey[0]
    image[edges[0] : edges[1]] = grey[1]
    return image + rng.normal(0, 0.2, shape)


def test_layers_one_above_the_other_are_found():
    assert symmetry_of([stripes(seed) for seed in range(4)]) == "left-right"
    assert symmetry_of([stripes(seed).T for seed in range(4)]) == "up-down"


def test_micrographs_without_layers_have_all_views():
    rng = np.random.default_rng(1)
    assert symmetry_of([rng.normal(size=(50, 40 + n)) for n in range(6)]) == "all"


def test_layers_mounted_either_way_up_have_no_direction_in_common():
    assert symmetry_of([stripes(0), stripes(1)[::-1], stripes(2), stripes(3)[::-1]]) == "all"


def test_layers_symmetric_about_their_middle_have_no_direction():
    assert symmetry_of([stripes(seed, grey=(0.0, 1.0, 0.0)) for seed in range(4)]) == "all"


@pytest.mark.parametrize("count", [1, 3])
def test_few_images_tell_nothing(count):
    assert symmetry_of([stripes(seed) for seed in range(count)]) == "all"


def test_constant_images_are_no_problem():
    assert symmetry_of([np.full((8, 8), 3, np.uint8)] * 4) == "all"


def test_views_are_those_that_their_names_say():
    image = np.arange(6).reshape(2, 3)
    assert len(VIEWS["all"]) == len({np.rot90(image[:, ::-1] if m else image, t).tobytes() for t, m in VIEWS["all"]})
    (_, (turns, mirrored)) = VIEWS["up-down"]
    assert mirrored
    assert (np.rot90(image[:, ::-1], turns) == image[::-1]).all()
    assert SYMMETRIES == ("all", "left-right", "up-down", "none")
