"""Phases within a layer: cracks are told from neighbours, ignored labels and the edge of the image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_visualccc.segment.enclosed import EnclosedPhases
from napari_visualccc.segment.thickness import measure_thickness

LABELS = np.array([0, 1, 2])


def band(height=40, width=200):
    """Ground 0 with a layer 1 of 20 pixels across the whole image."""
    positions = np.zeros((height, width), np.int32)
    positions[10:30] = 1
    return positions


def shares(positions, labels=LABELS, layer=(1,)):
    enclosed = EnclosedPhases(layer)
    enclosed.add(positions, labels)
    return enclosed.shares()


def test_a_crack_across_is_within_and_what_lies_beside_is_not():
    positions = band()
    positions[10:30, 50:54] = 2
    found = shares(positions)
    assert found[2] == pytest.approx(40 / 48)
    # 400 sides face the layer or, 8 of them, the crack; 400 the edges above and below the image, 40 those beside it
    assert found[0] == pytest.approx(392 / (400 + 400 + 40))


def test_the_only_neighbour_is_not_within():
    positions = np.zeros((40, 200), np.int32)
    positions[20:] = 1
    assert shares(positions, np.array([5, 9]), layer=(9,))[5] < 0.5


def test_a_thin_cap_between_layer_and_vacuum_is_not_within():
    positions = band()
    positions[7:10] = 2
    assert shares(positions)[2] < 0.5


def test_ignored_pixels_are_outline_of_a_phase_but_no_phase():
    positions = band() - 1  # what was 0 is ignored
    found = shares(positions, np.array([1]), layer=(1,))
    assert found == {}
    positions[10:30, 50:54] = 1
    assert shares(positions, np.array([1, 2]), layer=(1,))[2] == pytest.approx(40 / 48)


def test_planes_are_summed_and_their_phases_may_differ():
    enclosed = EnclosedPhases([7])
    enclosed.add(band(), np.array([3, 7]))
    cracked = band()
    cracked[10:30, 50:54] = 2
    enclosed.add(cracked, np.array([3, 7, 8]))
    assert set(enclosed.shares()) == {3, 8}
    assert [note.split(" (")[0] for note in enclosed.notes({7: "oxide"})] == ["'class 8' lies within 'oxide'"]


def test_what_belongs_to_the_layer_is_not_mentioned():
    positions = band()
    positions[10:30, 50:54] = 2
    enclosed = EnclosedPhases([1, 2])
    enclosed.add(positions, LABELS)
    assert enclosed.notes({}) == ()


def told(positions):
    """Labels said to lie within layer 1."""
    enclosed = EnclosedPhases([1])
    enclosed.add(positions, LABELS)
    return bool(enclosed.notes({}))


@pytest.mark.parametrize("spacer", [3, 10])
@pytest.mark.parametrize("films", [2, 6])
def test_spacers_between_films_are_not_within_a_film(films, spacer):
    period = 20 + spacer
    positions = np.zeros((films * period + 40, 500), np.int32)
    for film in range(films):
        positions[20 + film * period :][:period] = 2
        positions[20 + film * period :][:20] = 1
    positions[20 + films * period - spacer :] = 0
    assert shares(positions)[2] > 0.6
    assert not told(positions)
    positions[40 : 40 + spacer, 200:206] = 1  # two films touch
    assert not told(positions)


def test_the_core_of_a_shell_is_not_within_it():
    y, x = np.mgrid[:120, :120]
    radius = np.hypot(y - 60, x - 60)
    positions = np.where(radius < 30, 2, np.where(radius < 45, 1, 0)).astype(np.int32)
    assert shares(positions)[2] == 1
    assert not told(positions)


def test_cracks_and_pores_of_a_layer_are_within_it():
    wide, along, pores, oblique, rubble = (band() for _ in range(5))
    wide[10:30, 40:50] = wide[10:30, 120:126] = 2
    along[18:21, 60:120] = 2
    y, x = np.mgrid[:40, :200]
    pores[(y - 20) ** 2 + (x % 40 - 20) ** 2 < 49] = 2
    oblique[(np.abs(x - 100 - y) < 3) & (oblique == 1)] = 2
    rubble[(x % 30 < 4) & (rubble == 1)] = 2  # its pieces are too short to be layers
    for positions in (wide, along, pores, oblique, rubble):
        assert told(positions)


def test_the_bare_layer_is_measured_once_however_many_phases_it_encloses(monkeypatch):
    measured = []

    def measure(layer, *args, **options):
        measured.append(int(layer.sum()))
        return measure_thickness(layer, *args, **options)

    monkeypatch.setattr("napari_visualccc.segment.enclosed.measure_thickness", measure)
    positions = band()
    positions[10:30, 50:54] = 2
    positions[10:30, 120:123] = 3
    enclosed = EnclosedPhases([1])
    enclosed.add(positions, np.array([0, 1, 2, 3]))
    assert len(enclosed.notes({})) == 2
    bare = int((positions == 1).sum())
    assert measured == [bare, bare + 80, bare + 60]


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1)])
def test_tiny_planes(shape):
    assert shares(np.zeros(shape, np.int32), np.array([1]), layer=(1,)) == {}
    assert shares(np.full(shape, -1, np.int32), np.array([], np.int64), layer=(1,)) == {}
    assert shares(np.zeros(shape, np.int32), np.array([4]), layer=(1,)) == {4: 0.0}
