"""Encoders of others: three colours become one grey, and nothing is unpickled."""

import copy
import os
import re
import warnings

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from napari_visualccc.core.errors import ModelError, OptionError
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.files import save_tensors
from napari_visualccc.models.nn import offers
from napari_visualccc.models.nn.embedding import Embedder
from napari_visualccc.models.nn.encoders import begin, weights_for
from napari_visualccc.models.nn.foreign import colours_of, grey_tensors, read_foreign, to_grey
from napari_visualccc.models.nn.precision import PLAIN
from napari_visualccc.models.nn.sizes import PARAMETERS
from napari_visualccc.models.nn.trunk import new_trunk
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.models.zoo import FOREIGN, IMAGENET, micronet_offers

MARGIN = 8
# Of a grey value of a photograph, between the three colours of ImageNet.
GREY_MEAN, GREY_DEVIATION = np.mean((0.485, 0.456, 0.406)), np.mean((0.229, 0.224, 0.225))


def learnt(encoder, channels=3):
    """Encoder whose statistics are not those of a new one."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = smp.encoders.get_encoder(encoder, in_channels=channels, depth=5, weights=None)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return made.eval()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    offers._imagenet_offers.cache_clear()
    yield tmp_path / "cache" / "weights"
    offers._imagenet_offers.cache_clear()


@pytest.mark.parametrize(
    "encoder", ["resnet18", "mobilenet_v2", "vgg11", "efficientnet-b0", "dpn68", "mobileone_s0", "densenet121",
                "xception", "tu-mobilenetv3_small_050", "tu-tf_efficientnet_lite0"]
)  # fmt: skip
def test_grey_is_three_equal_colours_as_the_encoder_was_shown_them(encoder, tmp_path):
    """The grey encoder sees in a standardised image what the coloured one sees in the same image in three colours."""
    colourful = learnt(encoder)
    tensors = colourful.state_dict()
    if encoder.startswith("tu-"):
        import timm

        torch.manual_seed(3)
        whole = timm.create_model(encoder.removeprefix("tu-")).eval()
        tensors = whole.state_dict()
        colourful.model.load_state_dict({name: tensors[name] for name in colourful.model.state_dict()})
    path = tmp_path / "colours.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in tensors.items()}}, path)
    grey = learnt(encoder, channels=1)
    grey.load_state_dict(grey_tensors(encoder, path))
    mean, deviation = (torch.tensor(values)[None, :, None, None] for values in colours_of(encoder))
    grey_values = 0.15 + 0.7 * torch.rand(1, 1, 96, 96)
    with torch.inference_mode():
        theirs = colourful((grey_values.expand(-1, 3, -1, -1) - mean) / deviation)
        ours = grey((grey_values - GREY_MEAN) / GREY_DEVIATION)
    # The margin of zeros around the image is grey to one and coloured to the other.
    first, second = (values[1][..., MARGIN:-MARGIN, MARGIN:-MARGIN] for values in (theirs, ours))
    torch.testing.assert_close(second, first, rtol=1e-3, atol=2e-5 * float(first.abs().max() + 1))


def test_a_bias_takes_the_constant():
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    grey = copy.deepcopy(network)
    mean, deviation = (0.4, 0.5, 0.7), (0.1, 0.2, 0.4)
    to_grey(grey, mean, deviation)
    values = torch.rand(1, 1, 9, 9)
    columns = [torch.tensor(one)[None, :, None, None] for one in (mean, deviation)]
    expected = network((values.expand(-1, 3, -1, -1) - columns[0]) / columns[1])
    torch.testing.assert_close(grey((values - GREY_MEAN) / GREY_DEVIATION), expected)


def test_the_mean_of_three_kernels_would_be_wrong(tmp_path):
    colourful = learnt("resnet18")
    path = save_tensors(tmp_path / "a.safetensors", {k: v.numpy() for k, v in colourful.state_dict().items()}, {})
    kernel = grey_tensors("resnet18", path)["conv1.weight"]
    spread = np.array(colours_of("resnet18")[1])
    expected = (colourful.conv1.weight.detach().numpy() * (spread.mean() / spread)[:, None, None]).sum(1, keepdims=True)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_grey_weights_stay_as_they_are(tmp_path):
    grey = learnt("resnet18", channels=1)
    torch.save(grey.state_dict(), tmp_path / "grey.pth")
    for name, value in grey_tensors("resnet18", tmp_path / "grey.pth").items():
        torch.testing.assert_close(value, grey.state_dict()[name])


def test_torchvisions_classifiers_fit(tmp_path):
    import torchvision

    for name in ("resnet18", "mobilenet_v2"):
        model = torchvision.models.get_model(name, weights=None)
        torch.save(model.state_dict(), tmp_path / f"{name}.pth")
        assert grey_tensors(name, tmp_path / f"{name}.pth")


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled(tmp_path):
    made = tmp_path / "made"
    torch.save({"state_dict": {}, "evil": Evil(made)}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="could run any program"):
        read_foreign(tmp_path / "evil.pth")
    assert not made.exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 cut off"])
def test_damaged_files_are_refused_in_words(tmp_path, content):
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=re.escape(str(path))):
        read_foreign(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="no weights by name"):
        read_foreign(path)


def test_weights_of_another_encoder_are_refused(tmp_path):
    torch.save(learnt("resnet18").state_dict(), tmp_path / "a.pth")
    with pytest.raises(ModelError, match="no weights of encoder mobilenet_v2"):
        grey_tensors("mobilenet_v2", tmp_path / "a.pth")


@pytest.mark.parametrize("weights", FOREIGN)
def test_every_room_begins_with_named_weights(cache, tmp_path, monkeypatch, weights):
    colourful = learnt("resnet18")
    offer = offers.offer_of("resnet18", weights)
    cache.mkdir(parents=True)
    torch.save(colourful.state_dict(), offer.path)
    if offer.digest:
        with pytest.raises(ModelError, match="damaged"):
            weights_for("resnet18", weights)
        monkeypatch.setattr("napari_visualccc.models.download._sha256", lambda _: offer.digest)
    network = build(Architecture(encoder="resnet18"))
    assert begin(network, "resnet18", weights).startswith("blake2b:")
    torch.testing.assert_close(network.encoder.layer1[0].conv1.weight, colourful.layer1[0].conv1.weight)
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(network.greys(image)[1], image)
    seen = [Embedder(EmbeddingOptions("resnet18", one), "cpu", PLAIN) for one in (weights, str(offer.path))]
    plane = np.random.default_rng(0).random((64, 64))
    np.testing.assert_allclose(seen[0].embed(plane), seen[1].embed(plane), rtol=1e-3, atol=1e-4)
    assert seen[0].weights_hash == seen[1].weights_hash


def test_wrong_words_are_said_alike(tmp_path):
    trunk = new_trunk("resnet18")
    for wanted in ("imagnet", str(tmp_path / "none.pth")):
        with pytest.raises(ModelError, match="neither a file that is there nor one of auto, random, imagenet"):
            begin(trunk, "resnet18", wanted)
        with pytest.raises(ModelError, match="neither a file"):
            Embedder(EmbeddingOptions(weights=wanted))
    with pytest.raises(OptionError, match="no weights 'micronet' for encoder 'vgg19', only for: densenet121"):
        begin(trunk, "vgg19", "micronet")


def test_addresses_of_nasa():
    urls = {(one.encoder, one.weights): one.url.rpartition("/")[2] for one in micronet_offers()}
    assert urls["resnet50", "micronet"] == "resnet50_pretrained_microscopynet_v1.1.pth.tar"
    assert urls["resnet18", "imagenet-micronet"] == "resnet18_pretrained_imagenet-microscopynet_v1.0.pth.tar"
    assert urls["resnext101_32x8d", "micronet"] == "resnext101_pretrained_microscopynet_v1.0.pth.tar"
    assert {encoder for encoder, _ in urls} <= smp.encoders.encoders.keys()


def test_imagenet_offers_name_checksum_or_commit():
    found = {one.encoder: one for one in offers.offers() if one.weights == IMAGENET}
    assert found["resnet18"].digest == "f37072fd"
    assert all(one.digest or re.search("/resolve/[0-9a-f]{40}/", one.url) for one in found.values())
    timm = offers.offer_of("tu-mobilenetv3_small_050", IMAGENET)
    assert timm.url.startswith("https://huggingface.co/timm/")
    assert timm.path.suffix == ".safetensors"


def test_sizes_are_those_of_the_networks():
    for name in ("resnet18", "mobilenet_v2", "efficientnet-b0", "mit_b0", "tu-tf_efficientnet_lite0"):
        made = smp.encoders.get_encoder(name, in_channels=1, weights=None)
        assert sum(value.numel() for value in made.parameters()) == PARAMETERS[name]
    assert {one.encoder for one in offers.offers()} <= PARAMETERS.keys()
