import numpy as np
import pytest

from napari_visualccc.models.crops import covering_regions, crop_regions


@pytest.mark.parametrize("shape", [(4096, 4096), (600, 9000), (9000, 600), (513, 512), (2100, 1100), (300, 90_000)])
@pytest.mark.parametrize("most", [1, 2, 5, 9, 30])
def test_crops_lie_inside_are_alike_and_as_many_as_allowed(shape, most):
    regions = crop_regions(shape, most)
    assert 1 <= len(regions) <= most
    sizes = {(y.stop - y.start, x.stop - x.start) for y, x in regions}
    assert len(sizes) == 1
    assert all(0 <= y.start < y.stop <= shape[0] and 0 <= x.start < x.stop <= shape[1] for y, x in regions)
    if len(regions) > 1:
        middle = np.mean([((y.start + y.stop) / 2, (x.start + x.stop) / 2) for y, x in regions], axis=0)
        np.testing.assert_allclose(middle, np.array(shape) / 2, atol=1)


def test_a_square_gets_a_square_of_crops():
    regions = crop_regions((4096, 4096), 9)
    assert sorted({y.start for y, _ in regions}) == sorted({x.start for _, x in regions}) == [0, 1792, 3584]


def test_covering_regions_cover_once():
    seen = np.zeros((1100, 700), int)
    for region in covering_regions(seen.shape):
        seen[region] += 1
    assert (seen == 1).all()
