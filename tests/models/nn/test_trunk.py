import numpy as np
import pytest
import torch

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.nn.classifier import Classifier
from napari_visualccc.models.nn.embedding import Embedder
from napari_visualccc.models.nn.precision import PLAIN
from napari_visualccc.models.nn.trunk import REDUCTIONS, filled_trunk, new_trunk
from napari_visualccc.models.normalise import GreyScale


@pytest.fixture(scope="module", params=["tu-tf_efficientnet_lite0", "resnet18"])
def filled(request):
    return filled_trunk(EmbeddingOptions(encoder=request.param))


@pytest.mark.parametrize("shape", [(1, 1), (5, 90), (97, 131)])
def test_a_classifier_sees_what_the_embedder_sees(filled, shape):
    trunk, _ = filled
    image = np.random.default_rng(0).random(shape, np.float32)
    shown = torch.from_numpy(GreyScale.of(image).apply(image))[None, None]
    with torch.inference_mode():
        ours = Classifier(trunk, 2).eval().vectors(shown)[0]
    vector = Embedder(device="cpu", precision=PLAIN, trunk=filled).embed(image)[0]
    scale = float(np.abs(vector).max())
    np.testing.assert_allclose(ours, vector, rtol=1e-3, atol=1e-3 * scale)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_places_count_by_their_share_of_the_picture(filled, reduction):
    trunk = filled[0].eval()
    images, counts = torch.zeros(2, 1, 70, 90), torch.ones(1, 1, 70, 90)
    counts[..., :45] = 0
    with torch.inference_mode():
        maps, share = trunk.maps(images, counts, reduction)
    assert maps.shape[:2] == (2, trunk.channels)
    assert share.shape == (1, 1, *maps.shape[-2:])
    assert share.min() >= 0
    assert share.max() <= 1
    shown = [max(32, -(-n // reduction)) for n in images.shape[-2:]]
    margin = (-(-70 // reduction)) * (-(-90 // reduction)) / (shown[0] * shown[1])
    assert float(share.mean()) == pytest.approx(margin / 2, rel=0.1)


def test_a_classifier_and_its_trunk_share_weights(filled):
    network = Classifier(filled[0], 2)
    assert network.trunk.encoder is network.encoder
    assert network.trunk.greys.shares is network.greys.shares
    assert set(network.trunk.state_dict()) == {name for name in network.state_dict() if not name.startswith("head.")}


def test_there_is_no_such_encoder():
    with pytest.raises(OptionError, match="encoder 'resnet1' is not known"):
        new_trunk("resnet1")
