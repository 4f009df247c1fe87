"""Weights that networks begin with."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_visualccc.core.errors import ModelError
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import load_tensors, read_card, save_model
from napari_visualccc.models.nn.encoders import begin, begin_with, shipped_weights, weights_for, width_in
from napari_visualccc.models.nn.offers import encoders_at_hand
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.models.states import weights

LITE = "tu-tf_efficientnet_lite0"


def network(seed=0, encoder="resnet18", **words):
    torch.manual_seed(seed)
    return build(Architecture(encoder=encoder, **words))


@pytest.fixture
def saved(tmp_path):
    """A model of four classes on disk, and its network."""
    made = network(7, classes=4)
    card = ModelCard("segment", made.architecture.as_dict(), ())
    return save_model(tmp_path / "other.safetensors", card, weights(made)), made


@pytest.fixture
def adopt():
    """The program that made the second shipped encoder."""
    path = Path(__file__).parents[3] / "training" / "adopt.py"
    spec = importlib.util.spec_from_file_location("adopt", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_but_the_last_layer_is_taken_over(saved):
    path, theirs = saved
    own = network(1, classes=2)
    head = own.head.weight.clone()
    assert begin_with(own, path) == []
    for name, value in own.state_dict().items():
        if not name.startswith("head."):
            torch.testing.assert_close(value, theirs.state_dict()[name])
    assert torch.equal(own.head.weight, head)


def test_as_wide_as_what_it_begins_with(saved, tmp_path):
    assert width_in(saved[0]) == 32
    wide = network(classes=3, width=64)
    path = save_model(
        tmp_path / "wide.safetensors", ModelCard("segment", wide.architecture.as_dict(), ()), weights(wide)
    )
    assert width_in(path) == 64
    assert begin_with(network(width=64), path) == []
    assert begin_with(network(), path), "a narrower one can take over but a part"
    assert width_in(shipped_weights()["resnet18"]) == 64
    for other in (shipped_weights()[LITE], tmp_path / "none.safetensors", None):
        assert width_in(other) == 32


def test_another_field_of_view_takes_what_fits(saved):
    left = begin_with(network(classes=2, reduction=1), saved[0])
    assert left
    assert all(name.startswith(("down.", "up.", "decoder.")) for name in left)


def test_weights_of_another_network_are_refused_in_words(saved):
    with pytest.raises(ModelError, match="resnet18"):
        begin_with(network(encoder="mobilenet_v2"), saved[0])


def test_an_encoder_alone_or_a_classifier_is_enough(saved, tmp_path):
    tensors = {name: value for name, value in load_tensors(saved[0]).items() if name.startswith(("encoder.", "head."))}
    card = ModelCard("classify", {"kind": "classifier", "encoder": "resnet18"}, ())
    path = save_model(tmp_path / "alone.safetensors", card, tensors)
    own = network(1, classes=2)
    left = begin_with(own, path)
    assert {name.partition(".")[0] for name in left} == {"greys", "decoder", "up", "down"}
    torch.testing.assert_close(own.encoder.conv1.weight, saved[1].encoder.conv1.weight)
    with pytest.raises(ModelError, match="encoder resnet18"):
        begin_with(network(encoder="mobilenet_v2"), path)


@pytest.mark.parametrize("decoder", ["fpn", "unetplusplus", "deeplabv3plus"])
def test_another_decoder_begins_with_the_encoder(saved, decoder):
    left = begin_with(network(1, decoder=decoder), saved[0])
    assert left
    assert not any(name.startswith("encoder.") for name in left)


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
    shipped = shipped_weights()
    assert list(shipped) == ["resnet18", LITE]
    assert sum(path.stat().st_size for path in shipped.values()) <= 30e6
    cards = {name: read_card(path) for name, path in shipped.items()}
    for name, card in cards.items():
        assert card.task == "encoder"
        assert card.architecture["encoder"] == name
    assert cards["resnet18"].licence == "BSD-3-Clause"
    assert "simulated" in cards["resnet18"].training["data"]
    assert cards[LITE].licence == "Apache-2.0"
    assert "ImageNet" in cards[LITE].training["data"]
    assert begin_with(network(encoder="resnet18", width=64), shipped["resnet18"]) == []


def test_the_encoder_of_photographs_fills_all_that_is_looked_through():
    """It looks at the image as it is; what is behind it in a segmentation network begins at random."""
    made = network(encoder=LITE)
    left = begin_with(made, shipped_weights()[LITE])
    assert left
    assert all(name.startswith(("decoder.", "up.", "down.")) for name in left)
    assert made.encoder.out_channels == [1, 16, 24, 40, 112, 320]
    assert made.greys.shares.tolist() == [1, 0, 0, 0]


def test_an_adopted_encoder_is_what_begins_with_the_file_of_its_makers(adopt, tmp_path):
    """A stand-in with random weights, under other names in the same order, as the makers' file has them."""
    import timm

    torch.manual_seed(5)
    theirs = timm.create_model("tf_efficientnet_lite0").state_dict()
    torch.save(theirs, tmp_path / "timm.pth")
    foreign = {f"_layer{n}.{name.rpartition('.')[2]}": value for n, (name, value) in enumerate(theirs.items())}
    found = adopt.renamed(foreign)
    assert all(torch.equal(value, theirs[name]) for name, value in found.items())
    card = ModelCard("encoder", {"kind": "encoder", "encoder": LITE}, ())
    path = save_model(tmp_path / "adopted.safetensors", card, adopt.adopted(found))
    ours, expected = network(1, encoder=LITE), network(1, encoder=LITE)
    for made, file in ((ours, path), (expected, tmp_path / "timm.pth")):
        assert begin(made, LITE, str(file)).startswith("blake2b:")
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=5e-4, atol=1e-7)
    del foreign["_layer0.weight"]
    with pytest.raises(SystemExit, match="holds"):
        adopt.renamed(foreign)
    with pytest.raises(SystemExit, match="does not fit"):
        adopt.renamed({"_first.weight": torch.zeros(8, 3, 3, 3), **foreign})


def test_a_file_of_another_checksum_is_not_adopted(adopt, tmp_path, monkeypatch):
    (tmp_path / "a.pth").write_bytes(b"another")
    monkeypatch.setattr("sys.argv", ["adopt.py", str(tmp_path / "a.pth"), "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match="another file"):
        adopt.main()
    assert not list(tmp_path.glob("*.safetensors"))


def test_shipped_weights_see_what_they_were_trained_for():
    """With its own last layer, the pre-trained network outlines a faint disc in noise."""
    path = shipped_weights()["resnet18"]
    outline = read_card(path).training["kinds"]
    trained = network(classes=len(outline) + 3, head_kernel=1, width=width_in(path))
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
    assert [one["name"] for one in found[:2]] == ["resnet18", LITE]
    for one in found[:2]:
        assert one["weights"] == "auto"
        assert one["at_hand"]
        assert one["source"].startswith("comes with the package")
    assert {"mobilenet_v2", "resnet50"} <= {one["name"] for one in found}
    assert len({(one["name"], one["weights"]) for one in found}) == len(found)
    for one in found:
        assert one["source"]
        assert one["weights"] == "random" or (one["licence"] and one["where"] and one["megabytes"] > 1)
        assert one["parameters"] > 1e6
