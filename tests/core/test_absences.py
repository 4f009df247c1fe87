from itertools import product

import pytest

from napari_visualccc.core.absences import is_absent
from napari_visualccc.core.phases import built_in_phases

INDICES = [hkl for hkl in product(range(-4, 5), repeat=3) if any(hkl)]


@pytest.mark.parametrize("crystal", built_in_phases(), ids=lambda crystal: crystal.name)
def test_what_the_symbol_forbids_the_atoms_do_not_scatter(crystal):
    forbidden = [hkl for hkl in INDICES if is_absent(crystal.space_group, hkl)]
    assert all(abs(crystal.structure_factor(hkl)) < 1e-6 for hkl in forbidden)
    seen = [hkl for hkl in INDICES if not is_absent(crystal.space_group, hkl)]
    dark = [hkl for hkl in seen if abs(crystal.structure_factor(hkl)) < 1e-6]
    # Only silicon's atoms forbid more than its symmetry: h + k + l = 4n + 2 on special positions.
    assert not dark or (crystal.name == "Si" and all(sum(hkl) % 4 == 2 for hkl in dark))


@pytest.mark.parametrize(
    ("symbol", "forbidden", "allowed"),
    [
        ("P 21/c", (0, 1, 0), (0, 2, 0)),
        ("P21/c", (1, 0, 1), (1, 0, 2)),
        ("C 2/c", (1, 2, 0), (1, 1, 0)),
        ("P n m a", (0, 1, 2), (0, 1, 1)),
        ("Pnma", (1, 2, 0), (2, 1, 0)),
        ("P 63/m m c", (0, 0, 1), (0, 0, 2)),
        ("P63/mmc", (1, 1, 1), (1, 0, 1)),
        ("R -3 c", (1, 0, 0), (0, 1, 2)),
        ("R -3 c", (1, -1, 1), (0, 1, 2)),
        ("I 41/a m d", (1, 0, 0), (1, 0, 1)),
        ("F d -3 m", (2, 0, 0), (4, 0, 0)),
        ("P a -3", (0, 1, 0), (0, 2, 1)),
        ("I a -3 d", (1, 1, 0), (2, 1, 1)),
        ("P 41 3 2", (0, 0, 2), (0, 0, 4)),
        ("I", (1, 0, 0), (1, 1, 0)),
    ],
)
def test_conditions_of_the_international_tables(symbol, forbidden, allowed):
    assert is_absent(symbol, forbidden)
    assert not is_absent(symbol, allowed)


def test_a_symbol_without_centring_is_an_error():
    with pytest.raises(ValueError, match="must begin with one of"):
        is_absent("m -3 m", (1, 0, 0))
