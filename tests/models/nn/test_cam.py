"""Class activation maps against captum and pytorch-grad-cam, and against what is known in closed form."""

import copy

import numpy as np
import pytest
import torch
import torchvision
from scipy.stats import spearmanr
from torch import nn

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn.cam import METHODS, LayerTap, Question, activation_maps
from napari_visualccc.models.nn.cam_input import integrated_gradients, occlusion
from napari_visualccc.models.nn.cam_score import score_cam
from napari_visualccc.models.nn.unet import Architecture, build

PEERS = {"gradcam": "GradCAM", "gradcam++": "GradCAMPlusPlus", "hirescam": "HiResCAM", "layercam": "LayerCAM",
         "eigencam": "EigenCAM"}  # fmt: skip
TARGETS = torch.tensor([1, 3])


@pytest.fixture(scope="module")
def classifier():
    """ResNet-18 with statistics and biases that are not those of a newborn."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None, num_classes=5).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def learning(classifier):
    """The same for the peers, who differentiate all of it."""
    return copy.deepcopy(classifier).requires_grad_(True)


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))


def ask(_):
    return Question(TARGETS)


@pytest.fixture
def peer():
    return pytest.importorskip("pytorch_grad_cam", reason="grad-cam comes with the extra 'test'")


def peer_scaled(peer, maps, images):
    scale = peer.utils.image.scale_cam_image
    return scale(scale(maps, images.shape[:-3:-1]))


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
@pytest.mark.parametrize("method", PEERS)
def test_maps_equal_those_of_pytorch_grad_cam(classifier, learning, images, peer, method, layer):
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with getattr(peer, PEERS[method])(learning, [getattr(learning, layer)]) as cam:
        theirs = cam(images, [ClassifierOutputTarget(int(target)) for target in TARGETS])
        activations = [a.numpy() for a in cam.activations_and_grads.activations][0]
    ours = activation_maps(classifier, getattr(classifier, layer), images, ask, method).maps.numpy()
    assert ours.max() > 0
    if method == "eigencam":  # a component has no sign: theirs is shown for the sign that we chose
        raw = peer.utils.svd_on_activations.get_2d_projection(activations)
        raw *= np.where(raw.max(axis=(1, 2)) >= -raw.min(axis=(1, 2)), 1, -1)[:, None, None]
        np.testing.assert_allclose(ours, np.maximum(raw, 0), atol=1e-5 * raw.max())
    else:
        np.testing.assert_allclose(peer_scaled(peer, ours, images), theirs, atol=1e-5)


@pytest.mark.parametrize("layer", ["layer4", "layer1"])
def test_grad_cam_equals_captums(classifier, learning, images, layer):
    captum = pytest.importorskip("captum.attr", reason="captum comes with the extra 'test'")
    theirs = captum.LayerGradCam(learning, getattr(learning, layer)).attribute(
        images, target=TARGETS, relu_attributions=True
    )
    ours = activation_maps(classifier, getattr(classifier, layer), images, ask, "gradcam").maps
    np.testing.assert_allclose(ours, theirs[:, 0].detach(), atol=1e-5)


def test_integrated_gradients_and_occlusion_equal_captums(classifier, learning, images):
    captum = pytest.importorskip("captum.attr", reason="captum comes with the extra 'test'")
    theirs = captum.IntegratedGradients(learning).attribute(images, target=TARGETS, n_steps=8).sum(dim=1)
    ours = integrated_gradients(classifier, images, Question(TARGETS), steps=8)
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
    theirs = captum.Occlusion(classifier).attribute(
        images, target=TARGETS, sliding_window_shapes=(3, 40, 40), strides=(3, 25, 25)
    )
    ours = occlusion(classifier, images, Question(TARGETS), window=40, stride=25)
    np.testing.assert_allclose(ours, theirs[:, 0], atol=1e-5)


def test_integrated_gradients_are_complete(classifier, images):
    question = Question(TARGETS)
    images = images[..., :48, :48]
    total = integrated_gradients(classifier, images, question, steps=64).sum(dim=(-2, -1))
    difference = question.scores(classifier(images)) - question.scores(classifier(torch.zeros_like(images)))
    np.testing.assert_allclose(total, difference, rtol=0.02, atol=0.02)


def test_after_global_pooling_the_map_is_the_linear_layers(classifier, images):
    """Zhou et al. 2016: the class's weights over the last maps, without any gradient."""
    with LayerTap(classifier.layer4, differentiate=False) as tap:
        classifier(images)
    weights = classifier.fc.weight[TARGETS] / tap.activations[0, 0].numel()
    expected = (weights[:, :, None, None] * tap.activations).sum(dim=1).relu()
    for method in ("gradcam", "hirescam"):
        found = activation_maps(classifier, classifier.layer4, images, ask, method).maps
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_hirescam_of_the_last_layer_adds_up_to_the_score(classifier, images):
    with LayerTap(classifier.layer4) as tap, torch.enable_grad():
        scores = Question(TARGETS).scores(classifier(images))
        (gradient,) = torch.autograd.grad(scores.sum(), tap.activations)
    total = (tap.activations * gradient).sum(dim=(1, 2, 3)) + classifier.fc.bias[TARGETS]
    np.testing.assert_allclose(total.detach(), scores.detach(), atol=1e-5)


def test_score_cam_with_all_channels_equals_pytorch_grad_cams(peer):
    torch.manual_seed(2)
    network = nn.Sequential(
        nn.Conv2d(1, 24, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5)
    ).eval().requires_grad_(False)  # fmt: skip
    network[4].weight.mul_(30)
    images = torch.randn(2, 1, 40, 56)
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with peer.ScoreCAM(network, [network[1]]) as cam:
        theirs = cam(images, [ClassifierOutputTarget(int(target)) for target in TARGETS])
    ours = score_cam(network, network[1], images, ask, passes=0).maps.numpy()
    np.testing.assert_allclose(peer_scaled(peer, ours, images), theirs, atol=1e-5)


def test_score_cam_from_few_channels_is_like_that_from_all(classifier):
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    images[:, :, 20:40, 30:60] += 3

    def question(_):
        return Question(TARGETS[:1])

    exact, quick = (score_cam(classifier, classifier.layer2, images, question, passes=n).maps for n in (0, 20))
    assert spearmanr(exact.ravel(), quick.ravel()).statistic > 0.98
    again = score_cam(classifier, classifier.layer2, images, question, passes=20).maps
    np.testing.assert_array_equal(quick, again)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_left_as_it_was(classifier, images, method):
    before = classifier(images)
    activation_maps(classifier, classifier.layer3, images, ask, method)
    np.testing.assert_array_equal(classifier(images), before)
    assert not any(module._forward_hooks for module in classifier.modules())


@pytest.mark.parametrize("method", METHODS)
def test_batches_do_not_matter(classifier, images, method):
    together = activation_maps(classifier, classifier.layer4, images, ask, method).maps
    for index in range(2):
        one = slice(index, index + 1)
        alone = activation_maps(
            classifier, classifier.layer4, images[one], lambda _, one=one: Question(TARGETS[one]), method
        )
        np.testing.assert_allclose(alone.maps[0], together[index], atol=1e-5 * float(together.max()))


def test_a_region_of_a_segmentation_is_the_peers_too(peer):
    """Seg-Grad-CAM: their target is the sum over the region, ours the mean; each map from 0 to 1 is the same."""
    torch.manual_seed(3)
    network = build(Architecture(encoder="resnet18", classes=3)).eval().requires_grad_(False)
    images = torch.randn(1, 1, 128, 128)
    region = torch.zeros(1, 128, 128)
    region[:, 30:60, 40:90] = 1
    from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget

    learning = copy.deepcopy(network).requires_grad_(True)
    with peer.GradCAM(learning, [learning.encoder.layer2]) as cam:
        theirs = cam(images, [SemanticSegmentationTarget(2, region[0].numpy())])
    question = Question(torch.tensor([2]), region / region.sum())
    ours = activation_maps(network, network.encoder.layer2, images, lambda _: question, "gradcam").maps
    np.testing.assert_allclose(peer_scaled(peer, ours.numpy(), images), theirs, atol=1e-5)


def test_layers_without_maps_are_named_in_words(classifier, images):
    with pytest.raises(OptionError, match="gives no maps"):
        activation_maps(classifier, classifier.fc, images, ask, "gradcam")


def test_questions_and_outputs_must_go_together():
    with pytest.raises(ValueError, match="do not go together"):
        Question(TARGETS).scores(torch.zeros(2, 5, 8, 8))
