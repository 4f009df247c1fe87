import argparse
import shlex

import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import add_arguments, from_arguments, to_arguments
from napari_visualccc.segment.measure_options import MeasureOptions, find_labels

NAMES = {1: "Metal", 2: "Oxide layer", 7: "3"}


def test_minus_one_is_never_a_class():
    assert MeasureOptions().ignored_of({}) == {-1}
    assert MeasureOptions(ignore=" 0, 255 ").ignored_of({}) == {-1, 0, 255}


def test_phases_to_ignore_are_named_or_numbered():
    assert MeasureOptions(ignore="oxide layer, 255").ignored_of(NAMES) == {-1, 2, 255}
    with pytest.raises(OptionError, match=r"--ignore knows no phase 'void': give Metal \(1\)"):
        MeasureOptions(ignore="void").ignored_of(NAMES)
    with pytest.raises(OptionError, match="--ignore knows no phase 'void': give labels, such as 1"):
        _ = MeasureOptions(ignore="void").ignored_of({})


@pytest.mark.parametrize(
    ("text", "labels"),
    [("", ()), ("oxide LAYER", (2,)), ("1,oxide layer, 1", (1, 2)), ("3", (7,)), ("4", (4,)), (" , ", ())],
)
def test_phases_are_found_by_name_or_label(text, labels):
    assert find_labels(text, NAMES, "--objects-of") == labels


def test_an_unknown_phase_is_refused_with_those_that_are_known():
    with pytest.raises(OptionError, match=r"--thickness-of knows no phase 'rust': give Metal \(1\), Oxide layer \(2\)"):
        find_labels("rust", NAMES, "--thickness-of")


def test_options_survive_the_command_line():
    options = MeasureOptions(
        objects_of="a b,2", min_size=5, interfaces=False, ignore="0,255", block=64, connectivity="4"
    )
    parser = argparse.ArgumentParser()
    add_arguments(parser, MeasureOptions)
    flags = shlex.split(shlex.join(to_arguments(options)))
    assert from_arguments(MeasureOptions, parser.parse_args(flags)) == options


def test_what_begins_with_a_dash_survives_the_command_line():
    options = MeasureOptions(ignore="-1,0", thickness_of="-oxide")
    parser = argparse.ArgumentParser()
    add_arguments(parser, MeasureOptions)
    assert from_arguments(MeasureOptions, parser.parse_args(to_arguments(options))) == options


def test_phases_of_one_name_are_all_meant():
    assert find_labels("pore", {1: "pore", 2: "film", 5: "Pore"}, "--objects-of") == (1, 5)


@pytest.mark.parametrize("wrong", [{"connectivity": "6"}, {"bootstrap": -1}, {"block": 0}, {"min_size": -3}])
def test_values_outside_the_limits_are_refused(wrong):
    with pytest.raises(OptionError):
        MeasureOptions(**wrong)
