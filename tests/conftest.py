"""Fixtures for all rooms."""

import json
import os
from pathlib import Path

import pytest


def pytest_configure(config):
    """Let processes that run tests beside each other take one thread each; they begin with what is set here.

    Not in tox.ini, whose settings hold for the benchmarks, too.
    """
    if config.getoption("numprocesses", default=None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with real micrographs; tests that need it are skipped where it is missing."""
    default = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("VISUALCCC_DATA", default))
    if not folder.is_dir():
        pytest.skip("real micrographs are not here: set VISUALCCC_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def bright_network():
    """Segments by grey: class 1 where a pixel and its neighbours are brighter than typical."""
    from collections import OrderedDict

    import torch
    from torch import nn

    encoder, head = nn.Conv2d(1, 2, 5, padding=2), nn.Conv2d(2, 2, 1)
    with torch.no_grad():
        encoder.weight.fill_(1 / 25)
        encoder.weight[0] *= -1
        encoder.bias.zero_()
        head.weight.copy_(8 * torch.eye(2)[:, :, None, None])
        head.bias.copy_(torch.tensor([2.0, -2.0]))
    network = nn.Sequential(OrderedDict(encoder=encoder, decoder=nn.ReLU(), head=head))
    network.multiple = 16
    return network.eval()


@pytest.fixture
def run(capsys):
    """Run `visualccc` with `--json`: exit code, answer (None where there is none), what it said on standard error."""
    from napari_visualccc.cli import main

    def run(*arguments):
        capsys.readouterr()  # what was printed before
        code = main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return run
