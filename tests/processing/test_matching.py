import numpy as np
import pytest

from napari_visualccc.core.phases import built_in_phases, choose_phases
from napari_visualccc.processing import Peaks, explain, rank_phases
from napari_visualccc.processing.matching import spacing_matches
from napari_visualccc.processing.patterns import patterns, spacings


def spots_of(name, zone, *, turn=0.3, scale=1.0, d_min=0.12, noise=0.002, seed=0):
    (crystal,) = choose_phases([name])
    reflections = crystal.reflections(zone, d_min)
    vectors = np.array([r.vector for r in reflections])
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = vectors @ np.array([[cosine, -sine], [sine, cosine]]) / scale
    turned *= 1 + np.random.default_rng(seed).normal(0, noise, (len(turned), 1))
    turned *= np.where(turned[:, 1] < 0, -1, 1)[:, None]
    count = len(turned)
    error = np.full(count, 0.01)
    return Peaks(turned, error, np.linspace(100, 20, count), error, np.zeros((count, 2)), error)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Li", (1, 0, 0)), ("Li", (1, 1, 1)), ("Li2O", (1, 1, 0)), ("LiF", (1, 1, 0)), ("Li2CO3", (0, 0, 1)),
        ("Li2CO3", (1, 1, 0)), ("LiOH", (1, 0, 0)), ("Si", (1, 1, 0)), ("SrTiO3", (1, 0, 0)), ("Au", (1, 1, 0)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("turn", [0.0, 1.234])
def test_a_pattern_is_recognised_whatever_its_turn(name, zone, turn):
    best, second, *_ = rank_phases(spots_of(name, zone, turn=turn), built_in_phases())
    assert best.phase == name
    assert best.log_odds > second.log_odds
    assert best.log_odds > 3
    (crystal,) = choose_phases([name])
    peaks = spots_of(name, zone, turn=turn)
    for spot, hkl in zip(best.spots, best.hkl, strict=True):
        assert crystal.d_spacing(hkl) == pytest.approx(peaks.spacing[spot], rel=0.03)
        assert np.dot(hkl, best.zone) == 0


def test_a_wrong_pixel_size_is_found_out():
    best = rank_phases(spots_of("SrTiO3", (1, 0, 0), scale=1.03), built_in_phases(), calibration=0.02)[0]
    assert best.phase == "SrTiO3"
    assert best.scale == pytest.approx(1.03, abs=0.006)


@pytest.mark.parametrize("scale", [0.97, 1.03])
def test_outermost_spots_are_explained_under_a_wrong_pixel_size_too(scale):
    peaks = spots_of("SrTiO3", (1, 0, 0), scale=scale)
    best = rank_phases(peaks, built_in_phases())[0]
    assert best.phase == "SrTiO3"
    assert len(best.spots) == len(peaks)


def test_angles_matter_and_not_only_spacings():
    peaks = spots_of("SrTiO3", (1, 0, 0), d_min=0.18)
    angles = np.deg2rad(np.random.default_rng(1).uniform(-85, 85, len(peaks)))
    scattered = Peaks(np.stack([np.sin(angles), np.cos(angles)], 1) * peaks.modulus[:, None], peaks.error, peaks.snr,
                      peaks.power, peaks.place, peaks.width)  # fmt: skip
    aligned = rank_phases(peaks, choose_phases(["SrTiO3"]))[0].log_odds
    assert rank_phases(scattered, choose_phases(["SrTiO3"]))[0].log_odds < aligned - 3


def test_random_spots_are_nothing():
    rng = np.random.default_rng(2)
    for _ in range(5):
        k, angle = rng.uniform(2.5, 7, 8), rng.uniform(-np.pi / 2, np.pi / 2, 8)
        frequency = np.stack([k * np.sin(angle), k * np.cos(angle)], 1)
        error = np.full(8, 0.01)
        peaks = Peaks(frequency, error, np.full(8, 50.0), error, np.zeros((8, 2)), error)
        assert rank_phases(peaks, built_in_phases())[0].log_odds < 6


def test_two_crystals_are_told_apart():
    parts = [spots_of("Au", (1, 1, 0)), spots_of("SrTiO3", (1, 0, 0), turn=1.0)]
    both = Peaks(*(np.concatenate([getattr(p, f) for p in parts]) for f in Peaks.__dataclass_fields__))
    found = explain(both, choose_phases(["Au", "SrTiO3", "Si"]))
    assert {match.phase for match in found} == {"Au", "SrTiO3"}
    assert len({spot for match in found for spot in match.spots}) == sum(len(match.spots) for match in found)


def test_no_spots_no_match():
    from napari_visualccc.processing.peaks import none_found

    assert rank_phases(none_found(), built_in_phases()) == []
    assert explain(none_found(), built_in_phases()) == []


def test_spacing_lists_leave_out_what_is_forbidden():
    (gold,) = choose_phases(["Au"])
    assert spacings(gold, 0.12).d_nm == pytest.approx(0.40786 / np.sqrt([3, 4, 8, 11]))
    assert len(spacings(gold, 0.3).d_nm) == 0
    assert spacing_matches(0.2355, 0.001, [gold])[0][:2] == ("Au", (1, 1, 1))
    assert spacing_matches(0.408, 0.001, [gold]) == []


def test_zones_that_look_alike_are_tried_once():
    (gold,) = choose_phases(["Au"])
    assert [pattern.zone for pattern in patterns(gold, 0.12)][:3] == [(1, 0, 0), (1, 1, 0), (1, 1, 1)]
    assert len(patterns(gold, 0.12)) < 10
