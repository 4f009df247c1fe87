import pytest

from napari_visualccc.models.nn.offers import shipped_weights
from napari_visualccc.models.zoo import PLAIN_NAMES, plain_name


def test_all_encoders_that_come_with_the_package_have_plain_words():
    assert set(PLAIN_NAMES) == set(shipped_weights())


@pytest.mark.parametrize(
    ("encoder", "weights", "words"),
    [
        ("tu-tf_efficientnet_lite0", "auto", "EfficientNet-Lite0 (photographs)"),
        ("tu-tf_efficientnet_lite0", "random", "EfficientNet-Lite0 (untrained)"),
        ("resnet18", "auto", "ResNet-18 (simulated micrographs)"),
        ("resnet18", "imagenet", "ResNet-18 (photographs)"),
        ("resnet18", "imagenet-micronet", "ResNet-18 (photographs, then micrographs)"),
        ("resnet18", "/some/where/mine.safetensors", "ResNet-18"),
        ("resnet50", "micronet", "resnet50"),
        ("", "auto", ""),
    ],
)
def test_words_tell_the_network_and_what_it_learnt_from(encoder, weights, words):
    assert plain_name(encoder, weights) == words
