"""Label values of a model's classes."""

from dataclasses import replace

import pytest

from napari_visualccc.core.errors import ModelError
from napari_visualccc.segment import SegmentationModel


def numbered(model, *values):
    classes = tuple(replace(one, value=value) for one, value in zip(model.card.classes, values, strict=True))
    return replace(model, card=replace(model.card, classes=classes))


@pytest.mark.parametrize(
    ("values", "dtype", "nothing"), [((0, 1), "uint8", 255), ((1, 255), "uint16", 0), ((0, 255), "uint16", 65535)]
)
def test_pixels_without_a_value_have_a_label_that_is_free(model, values, dtype, nothing):
    named = numbered(model, *values)
    assert named.values.tolist() == list(values)
    assert named.values.dtype == dtype
    assert named.nothing == nothing


def test_a_class_of_negative_value_is_refused(model, tmp_path):
    path = numbered(model, -1, 1).save(tmp_path / "old.safetensors")
    with pytest.raises(ModelError, match="negative value"):
        SegmentationModel.load(path)
