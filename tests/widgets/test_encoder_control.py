import pytest
from qtpy.QtCore import Qt

from napari_visualccc.classify import TrainOptions as ClassifyOptions
from napari_visualccc.maps import MapOptions
from napari_visualccc.models.zoo import DEFAULT_ENCODER
from napari_visualccc.segment import TrainOptions as SegmentOptions
from napari_visualccc.widgets._encoder_control import encoder_form
from napari_visualccc.widgets.classify import ClassifyWidget
from napari_visualccc.widgets.map import MapWidget
from napari_visualccc.widgets.segment import SegmentWidget

LITE = "EfficientNet-Lite0 (photographs)"
RESNET = "ResNet-18 (simulated micrographs)"


@pytest.fixture
def form(qtbot):
    widget = encoder_form(SegmentOptions)
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def combo(form):
    return form.controls["encoder"].combo


@pytest.mark.parametrize("options", [SegmentOptions, ClassifyOptions, MapOptions])
def test_words_are_shown_and_names_are_stored(qtbot, options):
    form = encoder_form(options)
    qtbot.addWidget(form)
    combo = form.controls["encoder"].combo
    assert combo.currentText() == LITE
    assert form.options() == options()
    combo.setCurrentText(RESNET)
    assert form.options().encoder == "resnet18"
    form.set_values({"encoder": DEFAULT_ENCODER})
    assert combo.currentText() == LITE


@pytest.mark.parametrize("widget", [SegmentWidget, ClassifyWidget, MapWidget])
def test_the_widgets_show_them(viewer, widget):
    made = widget(viewer)
    viewer.window.add_dock_widget(made, name="it")
    assert made.form.controls["encoder"].combo.currentText() == LITE
    assert made.form.options().encoder == DEFAULT_ENCODER


def test_any_name_can_be_typed(form, combo, qtbot):
    combo.clearEditText()
    qtbot.keyClicks(combo.lineEdit(), "resnet34")
    assert combo.currentText() == "resnet34"  # nothing is completed to what was not meant
    assert form.options().encoder == "resnet34"
    qtbot.keyClick(combo.lineEdit(), Qt.Key.Key_Return)
    assert form.options().encoder == "resnet34"
    assert combo.count() == 2


def test_the_name_of_a_known_one_becomes_words_once_typed(form, combo, qtbot):
    combo.clearEditText()
    qtbot.keyClicks(combo.lineEdit(), "resnet18")
    assert combo.currentText() == "resnet18"
    qtbot.keyClick(combo.lineEdit(), Qt.Key.Key_Return)
    assert combo.currentText() == RESNET
    assert form.options().encoder == "resnet18"


@pytest.mark.parametrize("encoder", [DEFAULT_ENCODER, "resnet18", "resnet34"])
@pytest.mark.parametrize("weights", ["random", "imagenet", "mine.safetensors", ""])
def test_the_choice_stays_when_the_weights_change(form, combo, encoder, weights):
    form.set_values({"encoder": encoder, "weights": weights})
    assert form.options().encoder == encoder
    form.set_values({"weights": "auto"})
    assert form.options().encoder == encoder
    assert combo.currentText() == {DEFAULT_ENCODER: LITE, "resnet18": RESNET}.get(encoder, encoder)


def test_words_follow_the_weights(form, combo):
    form.set_values({"weights": "random"})
    assert combo.currentText() == "EfficientNet-Lite0 (untrained)"
    assert combo.itemText(1) == "ResNet-18 (untrained)"


def test_it_tells_once_of_a_change(form, qtbot):
    heard = []
    form.controls["encoder"].changed.connect(lambda: heard.append(form.options().encoder))
    form.controls["encoder"].set_value("resnet18")
    form.controls["encoder"].set_value("resnet18")
    assert heard == ["resnet18"]
