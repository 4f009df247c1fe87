from dataclasses import dataclass

import pytest
from qtpy.QtWidgets import QWidget

from napari_visualccc.cluster import ClusterOptions
from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import AUTO, Options, option, specs
from napari_visualccc.widgets._forms import OptionsForm


@dataclass(frozen=True)
class Everything(Options):
    count: int = option(3, label="Count", help="How many.", minimum=1, maximum=9)
    width: float = option(1.5, label="Width", help="How wide.", minimum=0.0, unit="px")
    on: bool = option(True, label="On", help="Whether.")
    way: str = option("a", label="Way", help="Which.", choices=("a", "b"))
    ways: tuple = option(("a",), label="Ways", help="Which ones.", choices=("a", "b"))
    scales: tuple = option((1.0, 2.0), label="Scales", help="Where.", minimum=0.5, advanced=True)
    word: str = option("x", label="Word", help="What.")


@pytest.fixture
def form(qtbot):
    widget = OptionsForm(Everything)
    qtbot.addWidget(widget)
    return widget


def test_shows_defaults(form):
    assert form.options() == Everything()


def test_values_come_back(form):
    wanted = Everything(count=5, width=0.25, on=False, way="b", ways=("a", "b"), scales=(0.5, 3.0), word="y z")
    form.set_options(wanted)
    assert form.options() == wanted


def test_set_tells_once(form, qtbot):
    told = []
    form.changed.connect(lambda: told.append(1))
    form.set_options(Everything(count=7, on=False, ways=("b",)))
    assert told == [1]


def test_error_stands_next_to_control(form):
    form.controls["scales"].field.setText("1, many")
    assert "'1, many'" in form._problems["scales"].text()
    assert form.advanced.is_open
    with pytest.raises(OptionError, match="Scales"):
        form.options()


def test_nothing_ticked_is_explained(form):
    form.controls["ways"].set_value(())
    assert "must not be empty" in form.problem


def test_auto_disables_number(qtbot):
    form = OptionsForm(ClusterOptions)
    qtbot.addWidget(form)
    control = form.controls["k"]
    control.auto.setChecked(True)
    assert form.options().k == AUTO
    assert not control.spin.isEnabled()


def test_slider_and_spin_agree(qtbot):
    form = OptionsForm(ClusterOptions)
    qtbot.addWidget(form)
    control = form.controls["k"]
    control.slider.setValue(7)
    assert control.spin.value() == 7
    control.spin.setValue(40)
    assert form.options().k == 40


def test_every_control_has_tooltip(qtbot):
    form = OptionsForm(ClusterOptions)
    qtbot.addWidget(form)
    for spec in specs(ClusterOptions):
        control = form.controls[spec.name]
        assert spec.flag in control.toolTip()
        assert all(child.toolTip() for child in control.findChildren(QWidget))


def test_numbers_are_written_without_idle_zeros(qtbot):
    from napari_visualccc.segment.options import TrainOptions

    form = OptionsForm(TrainOptions)
    qtbot.addWidget(form)
    assert form.controls["max_minutes"].spin.text() == "10 min"
    form.set_values({"max_minutes": 2.5, "learning_rate": 1e-5})
    assert form.controls["max_minutes"].spin.text() == "2.5 min"
    assert form.options().learning_rate == 1e-5
