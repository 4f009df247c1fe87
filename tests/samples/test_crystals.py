import numpy as np
import pytest

from napari_visualccc.samples import CRYSTALS, ZONES


@pytest.mark.parametrize(
    ("name", "hkl", "d_nm"),
    [  # from powder diffraction files
        ("Li", (1, 1, 0), 0.24814),
        ("Li", (2, 0, 0), 0.17546),
        ("Li2O", (1, 1, 1), 0.26639),
        ("Li2O", (2, 2, 0), 0.16313),
        ("LiF", (1, 1, 1), 0.2325),
        ("LiF", (2, 0, 0), 0.20135),
        ("Li2CO3", (1, 1, 0), 0.4159),
        ("Li2CO3", (0, 0, 2), 0.2812),
        ("Li2CO3", (-2, 0, 2), 0.2918),
        ("Li2CO3", (0, 2, 0), 0.2486),
    ],
)
def test_spacings_of_the_literature(name, hkl, d_nm):
    assert CRYSTALS[name].d_spacing(hkl) == pytest.approx(d_nm, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "forbidden", "allowed"),
    [
        ("Li", (1, 0, 0), (1, 1, 0)),
        ("Li2O", (1, 1, 0), (1, 1, 1)),
        ("LiF", (1, 0, 0), (2, 0, 0)),
        ("Li2CO3", (1, 0, 0), (2, 0, 0)),
        ("Li2CO3", (0, 0, 1), (0, 0, 2)),
    ],
)
def test_extinction_rules(name, forbidden, allowed):
    crystal = CRYSTALS[name]
    assert abs(crystal.structure_factor(forbidden)) < 1e-9
    assert abs(crystal.structure_factor(allowed)) > 0.1


@pytest.mark.parametrize("name", CRYSTALS)
def test_atoms_per_cell_and_geometry(name):
    crystal = CRYSTALS[name]
    assert len(crystal.atoms) == {"Li": 2, "Li2O": 12, "LiF": 8, "Li2CO3": 24}[name]
    lengths = np.linalg.norm(crystal.cell, axis=1)
    np.testing.assert_allclose(lengths, crystal.lengths_nm)
    np.testing.assert_allclose(crystal.cell @ crystal.reciprocal.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("name", CRYSTALS)
def test_reflections_lie_in_the_zone_with_their_true_length(name):
    crystal = CRYSTALS[name]
    for zone in ZONES[name]:
        found = crystal.reflections(zone, 0.13)
        assert found
        for reflection in found:
            assert np.dot(reflection.hkl, zone) == 0
            assert reflection.d_nm == pytest.approx(crystal.d_spacing(reflection.hkl))
