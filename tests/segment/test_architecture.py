"""Which network a training is of."""

from dataclasses import replace

import pytest
import torch

from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import save_model
from napari_visualccc.models.nn.fit import TrainingState
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.models.states import weights
from napari_visualccc.segment import TrainOptions
from napari_visualccc.segment.architecture import architecture_of
from napari_visualccc.segment.checkpoints import write_checkpoint

OPTIONS = TrainOptions(encoder="resnet18", weights="random", lattice="off")
FORMER = Architecture(encoder="resnet18", classes=3, head_kernel=1, width=64)


def state_of(architecture):
    network = build(architecture)
    return TrainingState({f"best.{name}": value for name, value in network.state_dict().items()}, step=5)


def test_new_networks_are_of_this_version():
    assert architecture_of(OPTIONS, 3, ()) == Architecture("unet", "resnet18", 3)
    assert architecture_of(OPTIONS, 3, (), TrainingState()) == Architecture("unet", "resnet18", 3)


def test_a_training_of_an_earlier_version_goes_on_with_its_network(tmp_path):
    record = FORMER.as_dict()
    del record["head_kernel"], record["width"]
    write_checkpoint(tmp_path / "a.training", state_of(FORMER), ModelCard("segment", record, ()))
    assert architecture_of(OPTIONS, 3, (), checkpoint=tmp_path / "a.training") == FORMER
    other = replace(OPTIONS, encoder="resnet34")
    assert architecture_of(other, 3, (), checkpoint=tmp_path / "a.training") == Architecture("unet", "resnet34", 3)
    (tmp_path / "b.training").write_bytes(b"no training at all, but long enough for a header")
    assert architecture_of(OPTIONS, 3, (), checkpoint=tmp_path / "b.training").width == 32


def test_a_new_phase_leaves_the_network_as_wide_as_it_was():
    wide = replace(FORMER, head_kernel=3)
    assert architecture_of(OPTIONS, 4, (), state_of(wide)) == replace(wide, classes=4)
    narrow = Architecture("unet", "resnet18", 3, reduction=1)
    options = replace(OPTIONS, reduction="1")
    assert architecture_of(options, 4, (), state_of(narrow)) == replace(narrow, classes=4)


@pytest.mark.parametrize("width", [32, 64])
def test_a_network_is_as_wide_as_the_model_that_it_begins_with(tmp_path, width):
    made = Architecture("unet", "resnet18", 2, width=width)
    torch.manual_seed(0)
    path = save_model(tmp_path / "m.safetensors", ModelCard("segment", made.as_dict(), ()), weights(build(made)))
    assert architecture_of(replace(OPTIONS, weights=str(path)), 5, ()) == replace(made, classes=5)


def test_the_decoder_that_comes_with_the_package_is_taken_over():
    assert architecture_of(replace(OPTIONS, weights="auto"), 2, ()).width == 64
