import argparse
from dataclasses import dataclass
from typing import Any

import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import (
    Options,
    add_arguments,
    from_arguments,
    markdown_table,
    option,
    specs,
    to_arguments,
)


@dataclass(frozen=True)
class Everything(Options):
    k: Any = option(4, label="Clusters", help="How many.", kind="int", auto=True, minimum=1, maximum=9)
    width: float = option(1.5, label="Width", help="100 % of it.", minimum=0.0, unit="px")
    tidy: bool = option(True, label="Tidy", help="Tidy up.")
    colour: str = option("red", label="Colour", help="Which.", choices=("red", "blue"))
    parts: tuple[str, ...] = option(("a",), label="Parts", help="Which.", choices=("a", "b"))
    scales: tuple[float, ...] = option((1.0, 2.0), label="Scales", help="Which.", minimum=0.1)


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser, Everything)
    return from_arguments(Everything, parser.parse_args(arguments))


CHANGED = Everything(k="auto", width=2.25, tidy=False, colour="blue", parts=("a", "b"), scales=(0.5,))


def test_flags_round_trip():
    assert parse(*to_arguments(CHANGED)) == CHANGED
    assert to_arguments(Everything()) == []
    assert parse() == Everything()


def test_help_survives_a_percent_sign():
    parser = argparse.ArgumentParser()
    add_arguments(parser, Everything)
    assert "100 % of it" in parser.format_help()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"k": 0}, "at least 1"),
        ({"k": 10}, "at most 9"),
        ({"k": 2.5}, "whole number"),
        ({"k": "many"}, "whole number or 'auto'"),
        ({"k": True}, "whole number"),
        ({"width": float("nan")}, "a number"),
        ({"width": -0.1}, "--width"),
        ({"colour": "green"}, "red, blue"),
        ({"parts": ("a", "z")}, "a, b"),
        ({"parts": ()}, "not be empty"),
        ({"scales": (0.0,)}, "at least 0.1"),
    ],
)
def test_values_out_of_limits_are_named(values, words):
    with pytest.raises(OptionError, match=words):
        Everything(**values)


def test_typed_nonsense_is_an_option_error():
    with pytest.raises(OptionError, match="'x' is not a number"):
        parse("--width", "x")


def test_values_take_their_proper_type():
    made = Everything(k=3.0, width=2, parts="b", scales=[1, 2])
    assert (made.k, type(made.k)) == (3, int)
    assert type(made.width) is float
    assert made.parts == ("b",)
    assert made.as_dict()["scales"] == [1.0, 2.0]


def test_docs_table_lists_every_option():
    table = markdown_table(Everything)
    assert all(spec.flag in table for spec in specs(Everything))
