import numpy as np
import pytest

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.phases import choose_phases
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing import analyse_spectrum, pattern_spectrum

SIZE = PixelSize(0.08, 0.08, "1/nm")


def pattern(shape=(256, 256), centre=(120.4, 133.7), seed=0):
    """Gold along [110] with a bright beam and a halo, counted in electrons."""
    (gold,) = choose_phases(["Au"])
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = 2000 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 8)
    image += 30 * np.exp(-np.hypot(y - centre[0], x - centre[1]) / 40)
    for reflection in gold.reflections((1, 1, 0), 0.12):
        for sign in (1, -1):
            ky, kx = sign * reflection.vector / SIZE.x
            image += 100 * np.exp(-((y - centre[0] - ky) ** 2 + (x - centre[1] - kx) ** 2) / 4)
    return np.random.default_rng(seed).poisson(image + 2)


def test_centre_is_found():
    assert pattern_spectrum(pattern(), SIZE).centre == pytest.approx((120.4, 133.7), abs=0.3)


def test_spacings_are_reciprocal():
    found = analyse_spectrum(pattern(), pixel_size=SIZE)
    assert found.spectrum.is_pattern
    assert found.ranked[0].phase in ("Au", "LiF")  # 1.3 % apart
    by_name = {match.phase: match for match in found.ranked}
    (gold,) = choose_phases(["Au"])
    match = by_name["Au"]
    assert len(match.spots) >= 5
    for spot, hkl in zip(match.spots, match.hkl, strict=True):
        assert found.peaks.spacing[spot] == pytest.approx(gold.d_spacing(hkl), rel=0.01)


def test_a_halo_alone_has_no_spots():
    y, x = np.mgrid[:128, :128]
    halo = 500 * np.exp(-np.hypot(y - 60, x - 66) / 15) + 5
    rng = np.random.default_rng(0)
    found = [len(analyse_spectrum(rng.poisson(halo), pixel_size=SIZE).peaks) for _ in range(10)]
    assert sum(n > 0 for n in found) <= 1


def test_only_reciprocal_pixels():
    with pytest.raises(InputError, match="1/nm"):
        pattern_spectrum(np.zeros((64, 64)), PixelSize(0.1, 0.1, "nm"))
