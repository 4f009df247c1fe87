import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn import classifier, pixels, unet
from napari_visualccc.models.nn.context import Context
from napari_visualccc.models.nn.networks import network_of


def test_a_card_builds_the_network_again():
    made = [
        unet.build(unet.Architecture(classes=3)),
        classifier.build(classifier.describe("resnet18", 4, False)),
        pixels.PixelClassifier(3, 2, Context()),
        pixels.PixelClassifier(2, 5),
        pixels.PixelClassifier(5, 2, lattice=True),
    ]
    cards = [
        made[0].architecture.as_dict(),
        classifier.describe("resnet18", 4, False),
        *(one.as_dict() for one in made[2:]),
    ]
    for network, card in zip(made, cards, strict=True):
        again = network_of(card)
        assert type(again) is type(network)
        assert {name: value.shape for name, value in again.state_dict().items()} == {
            name: value.shape for name, value in network.state_dict().items()
        }
    assert not network_of(cards[1]).uses_greys


@pytest.mark.parametrize("kind", [unet.KIND, classifier.KIND, pixels.KIND])
def test_a_card_that_lacks_something_is_said(kind):
    with pytest.raises(OptionError, match="card does not describe"):
        network_of({"kind": kind})


def test_networks_of_later_versions_are_said():
    with pytest.raises(OptionError, match="of the kind 'oracle', which this version does not know"):
        network_of({"kind": "oracle"})
