import json

import pytest

from napari_visualccc.core.errors import FileFormatError, OptionError
from napari_visualccc.core.phases import built_in_phases, choose_phases, crystal_of, read_phases, write_phases


def test_built_in_phases_have_sources_and_atoms():
    names = [crystal.name for crystal in built_in_phases()]
    assert names == ["Li", "Li2O", "LiF", "Li2CO3", "LiOH", "Si", "SrTiO3", "Au"]
    assert all(crystal.source and crystal.atoms for crystal in built_in_phases())


@pytest.mark.parametrize(
    ("name", "hkl", "d_nm"),
    [
        ("SrTiO3", (1, 1, 0), 0.27612),
        ("Au", (1, 1, 1), 0.23548),
        ("Si", (2, 2, 0), 0.19202),
        ("LiOH", (1, 0, 1), 0.27458),
    ],
)
def test_spacings_of_powder_diffraction(name, hkl, d_nm):
    (crystal,) = choose_phases([name])
    assert crystal.d_spacing(hkl) == pytest.approx(d_nm, rel=5e-4)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_table_survives_a_file(tmp_path, suffix):
    path = write_phases(tmp_path / f"mine{suffix}", built_in_phases())
    again = read_phases(path)
    for before, after in zip(built_in_phases(), again, strict=True):
        assert after.lengths_nm == before.lengths_nm
        assert after.space_group == before.space_group
        assert after.atoms == (before.atoms if suffix == ".json" else ())


def test_missing_entries_have_their_usual_values():
    crystal = crystal_of({"name": "Cu", "a_nm": "0.3615", "space_group": "Fm-3m"})
    assert crystal.lengths_nm == (0.3615,) * 3
    assert crystal.angles_deg == (90.0,) * 3
    assert crystal.structure_factor((1, 0, 0)) == 0
    assert abs(crystal.structure_factor((1, 1, 1))) > 0


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"a_nm": 0.4}, "needs a name"),
        ({"name": "X"}, "a_nm is missing"),
        ({"name": "X", "a_nm": "long"}, "must be a number"),
        ({"name": "X", "a_nm": 40.5}, "ångström"),
        ({"name": "X", "a_nm": 0.4, "alpha_deg": 170}, "span no cell"),
        ({"name": "X", "a_nm": 0.4, "alpha_deg": 30, "beta_deg": 30, "gamma_deg": 90}, "span no cell"),
        ({"name": "X", "a_nm": 0.4, "space_group": "Q 1"}, "must begin with"),
        ({"name": "X", "a_nm": 0.4, "atoms": [["Xx", 0, 0, 0]]}, "no element Xx"),
    ],
)
def test_a_wrong_row_is_said_in_words(record, words):
    with pytest.raises(OptionError, match=words):
        crystal_of(record)


def test_a_wrong_file_is_said_in_words(tmp_path):
    for name, text in {"a.json": "{", "b.csv": "", "c.json": json.dumps([{"name": "X"}]), "d.json": "3"}.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(FileFormatError, match=name):
            read_phases(path)


def test_an_unknown_phase_is_named():
    with pytest.raises(OptionError, match="Kryptonite"):
        choose_phases(["Li", "Kryptonite"])
    assert [crystal.name for crystal in choose_phases(["au", "LIF"])] == ["Au", "LiF"]
