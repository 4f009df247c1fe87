"""Colours of labels: told apart, kept by a label, chosen by name."""

from napari_visualccc.core.colours import colours_by_name, label_colour, label_colours

GREEN = (0.0, 1.0, 0.0, 1.0)


def test_a_label_keeps_its_colour_whatever_the_count():
    few, many = label_colours(3), label_colours(40)
    assert few == {label: many[label] for label in few}
    assert len(set(many.values())) == 40
    assert all(0 <= part <= 1 for colour in many.values() for part in colour)
    assert label_colour(1) == many[1]


def test_colours_follow_the_name():
    names = {1: "oxide", 2: "crack", 3: "coating"}
    colours = {1: GREEN, 2: GREEN, 7: GREEN}
    assert colours_by_name({1: "oxide", 2: "pore"}, names, colours) == {1: GREEN}
    assert colours_by_name({}, names, colours) == {}
    assert colours_by_name({7: "metal"}, names, colours) == {}, "it has no name there"
