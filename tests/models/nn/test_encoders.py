"""Weights that networks begin with."""

import numpy as np
import pytest
import torch

from napari_visualccc.core.errors import ModelError
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import load_tensors, read_card, save_model
from napari_visualccc.models.nn.encoders import begin_with, shipped_weights, weights_for
from napari_visualccc.models.nn.offers import encoders_at_hand
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.models.states import weights


def network(seed=0, **words):
    torch.manual_seed(seed)
    return build(Architecture(**words))


@pytest.fixture
def saved(tmp_path):
    """A model of four classes on disk, and its network."""
    made = network(7, classes=4)
    card = ModelCard("segment", made.architecture.as_dict(), ())
    return save_model(tmp_path / "other.safetensors", card, weights(made)), made


def test_everything_but_the_last_layer_is_taken_over(saved):
    path, theirs = saved
    own = network(1, classes=2)
    head = own.head.weight.clone()
    assert begin_with(own, path) == []
    for name, value in own.state_dict().items():
        if not name.startswith("head."):
            torch.testing.assert_close(value, theirs.state_dict()[name])
    assert torch.equal(own.head.weight, head)


def test_another_field_of_view_takes_what_fits(saved):
    left = begin_with(network(classes=2, reduction=1), saved[0])
    assert left
    assert all(name.startswith(("down.", "up.", "decoder.")) for name in left)


def test_weights_of_another_network_are_refused_in_words(saved):
    with pytest.raises(ModelError, match="resnet18"):
        begin_with(network(encoder="mobilenet_v2"), saved[0])


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"PK\x03\x04 a pickle")
    with pytest.raises(ModelError, match="not a model file"):
        begin_with(network(), path)


def test_what_is_wanted(tmp_path):
    assert weights_for("resnet18", "random") is None
    assert weights_for("resnet18", "auto") == shipped_weights()["resnet18"]
    assert weights_for("resnet50", "auto") is None
    (tmp_path / "a.safetensors").touch()
    assert weights_for("resnet50", str(tmp_path / "a.safetensors")) == tmp_path / "a.safetensors"


def test_shipped_weights_have_a_card_and_fit():
    for name, path in shipped_weights().items():
        card = read_card(path)
        assert card.task == "encoder"
        assert card.licence == "BSD-3-Clause"
        assert "simulated" in card.training["data"]
        assert begin_with(network(encoder=name), path) == []
    assert sum(path.stat().st_size for path in shipped_weights().values()) <= 30e6


def test_shipped_weights_see_what_they_were_trained_for():
    """With its own last layer, the pre-trained network outlines a faint disc in noise."""
    path = shipped_weights()["resnet18"]
    outline = read_card(path).training["kinds"]
    trained = network(classes=len(outline) + 3)
    trained.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in load_tensors(path).items()})
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    radius = np.hypot(y - 128, x - 128)
    image = rng.normal((radius < 70) * 2.0, 1).astype(np.float32)
    image = (image - image.mean()) / image.std()
    with torch.inference_mode():
        seen = trained.eval()(torch.from_numpy(image)[None, None])[0, len(outline)].sigmoid().numpy()
    near, far = np.abs(radius - 70) < 1, np.abs(radius - 70) > 8
    assert seen[near].mean() > 5 * seen[far].mean()


def test_encoders_with_weights_stand_first():
    found = encoders_at_hand()
    assert found[0]["name"] == "resnet18"
    assert found[0]["weights"] == "auto"
    assert found[0]["at_hand"]
    assert found[0]["source"].startswith("comes with the package")
    assert {"mobilenet_v2", "resnet50"} <= {one["name"] for one in found}
    assert len({(one["name"], one["weights"]) for one in found}) == len(found)
    for one in found:
        assert one["source"]
        assert one["weights"] == "random" or (one["licence"] and one["where"] and one["megabytes"] > 1)
        assert one["parameters"] > 1e6
