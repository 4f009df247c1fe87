"""Cards and model files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_visualccc.core.errors import ModelError, OutputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.models.card import ClassInfo, ModelCard
from napari_visualccc.models.files import load_model, read_card, save_model
from napari_visualccc.models.normalise import GreyScale

CARD = ModelCard(
    "segment", {"encoder": "resnet18"}, (ClassInfo(0, "Li", (0, 0, 0, 1)), ClassInfo(7, "SEI", (1, 0.5, 0, 1))),
    PixelSize(0.5, 0.5, "nm"), "standard", "left-right", {"steps": np.int64(5)}, {"mean_iou": float("nan")},
)  # fmt: skip


def test_a_card_comes_back(tmp_path):
    path = save_model(tmp_path / "a.safetensors", CARD, {"w": np.arange(6.0).reshape(2, 3), "n": np.int64(4)})
    file = load_model(path)
    assert file.card.classes == CARD.classes
    assert file.card.pixel_size == CARD.pixel_size
    assert file.card.training == {"steps": 5}
    assert file.card.symmetry == "left-right"
    assert file.tensors["w"].shape == (2, 3)
    assert file.tensors["n"].shape == ()
    assert read_card(path).class_names == {0: "Li", 7: "SEI"}
    assert file.hash == load_model(path).hash


@pytest.mark.parametrize("length", [-1, 1])
def test_a_file_that_is_not_whole_shows_no_card(tmp_path, length):
    path = save_model(tmp_path / "a.safetensors", CARD, {"w": np.ones(3), "n": np.int64(4)})
    content = path.read_bytes()
    path.write_bytes(content[:length] if length < 0 else content + b"x")
    with pytest.raises(ModelError, match=f"is damaged: it has {len(content) + length} bytes, .* have {len(content)}"):
        read_card(path)


def test_other_programs_can_read_the_weights(tmp_path):
    from safetensors.numpy import load_file

    path = save_model(tmp_path / "a.safetensors", CARD, {"w": np.ones(3, np.float16)})
    np.testing.assert_array_equal(load_file(path)["w"], np.ones(3))


def test_cards_of_the_future_and_broken_ones():
    record = json.loads(CARD.to_json())
    with pytest.raises(ModelError, match="update"):
        ModelCard.from_json(json.dumps(record | {"card": 99}), "x")
    with pytest.raises(ModelError, match="does not know"):
        ModelCard.from_json(json.dumps(record | {"task": "dream"}), "x")
    for broken in ("", "[]", "{}", json.dumps(record | {"classes": 5}), json.dumps(record | {"surprise": 1})):
        with pytest.raises(ModelError, match="damaged"):
            ModelCard.from_json(broken, "x")
    for part in ("architecture", "training", "metrics"):
        with pytest.raises(ModelError, match=f"its {part} is no record.*damaged"):
            ModelCard.from_json(json.dumps(record | {part: None}), "x")


def test_wrong_task_is_said():
    with pytest.raises(ModelError, match="to segment, not to classify"):
        CARD.expect("classify", "x")


def test_a_failed_write_keeps_the_old_model(tmp_path, monkeypatch):
    from pathlib import Path

    path = save_model(tmp_path / "a.safetensors", CARD, {"w": np.ones(3)})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        save_model(path, replace(CARD, licence="new"), {"w": np.zeros(3)})
    assert read_card(path).licence == "not stated"


def test_grey_scale_ignores_detector_settings():
    rng = np.random.default_rng(0)
    image = rng.normal(100, 20, (50, 60)).astype(np.float32)
    scaled = GreyScale.of(image).apply(image)
    other = GreyScale.of(7 * image + 1000).apply(7 * image + 1000)
    np.testing.assert_allclose(scaled, other, atol=1e-4)
    assert abs(scaled.mean()) < 0.02
    assert scaled.std() == pytest.approx(1, abs=0.05)


def test_one_hot_pixel_does_not_set_the_scale():
    image = np.random.default_rng(0).normal(0, 1, (100, 100)).astype(np.float32)
    hot = image.copy()
    hot[0, 0] = 1e9
    assert GreyScale.of(hot).spread == pytest.approx(GreyScale.of(image).spread, rel=0.02)


def test_constant_and_missing_values():
    constant = GreyScale.of(np.full((4, 4), 7.0))
    assert constant.spread == 1
    assert constant.apply(np.array([7, np.nan, np.inf], np.float32)).tolist() == [0, 0, 0]


def test_cards_of_older_versions_have_all_views_and_unknown_ones_are_refused():
    record = CARD.as_dict()
    del record["symmetry"]
    assert ModelCard.from_json(json.dumps(record, default=str), "old").symmetry == "all"
    with pytest.raises(ModelError, match="unknown symmetry"):
        ModelCard.from_json(json.dumps(record | {"symmetry": "sixfold"}, default=str), "odd")
