"""What the card says of the weights that a network began with."""

import torch

from napari_visualccc.models.nn.encoders import shipped_weights
from napari_visualccc.segment.origin import begun_with


def test_weights_that_come_with_the_package():
    found = begun_with("resnet18", "auto", "blake2b:1")
    assert found == {"name": "resnet18.safetensors", "licence": "BSD-3-Clause", "hash": "blake2b:1"}
    assert begun_with("resnet18", str(shipped_weights()["resnet18"]), "blake2b:1") == found


def test_weights_of_others():
    assert begun_with("resnet18", "micronet", "blake2b:1")["licence"] == "MIT"
    found = begun_with("resnet18", "imagenet", "blake2b:1")
    assert found["name"] == "resnet18, imagenet"
    assert found["licence"].startswith("BSD-3-Clause")


def test_files_that_do_not_say_it_and_none(tmp_path):
    path = tmp_path / "mine.pth"
    torch.save({}, path)
    assert begun_with("resnet18", str(path), "blake2b:1")["licence"] == "not stated"
    assert begun_with("resnet18", "random", "random") == {"name": "random", "licence": "", "hash": ""}
