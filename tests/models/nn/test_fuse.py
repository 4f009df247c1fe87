import copy

import pytest
import torch
from torch import nn

from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.nn.encoders import shipped_weights
from napari_visualccc.models.nn.fuse import fused
from napari_visualccc.models.nn.trunk import filled_trunk, new_trunk


@pytest.mark.parametrize("encoder", ["tu-tf_efficientnet_lite0", "resnet18", "mobilenet_v2"])
def test_folded_networks_see_the_same(encoder):
    torch.manual_seed(0)
    network = new_trunk(encoder).encoder
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: no two channels alike
            for value in (module.weight.data, module.running_var):
                value.uniform_(0.5, 1.5)
            for value in (module.bias.data, module.running_mean):
                value.normal_(0, 0.1)
    network.eval()
    folded = fused(copy.deepcopy(network))
    assert not [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]
    image = torch.randn(2, 1, 96, 128)
    with torch.inference_mode():
        for ours, theirs in zip(folded(image), network(image), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("encoder", sorted(shipped_weights()))
def test_no_normalisation_is_left_of_the_shipped_encoders(encoder):
    """Fails when timm or torchvision rename what `fused` knows by name: the encoder would be right, but slower."""
    trunk, _ = filled_trunk(EmbeddingOptions(encoder=encoder))
    before, after = (
        [name for name, module in one.named_modules() if getattr(module, "running_mean", None) is not None]
        for one in (trunk, fused(copy.deepcopy(trunk).eval()))
    )
    assert before
    assert not after
