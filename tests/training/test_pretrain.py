import numpy as np
import pytest
import torch
from microstructures import KINDS
from pretrain import (
    BATCH,
    CHANNELS,
    EXTRA,
    HELD_OUT,
    PATCH,
    REAL,
    SIZE,
    Everything,
    _asked,
    keep_encoder,
    real_planes,
    to_ship,
)
from pupil import Pupil, photographs_teacher

from napari_visualccc.models.compact import joined
from napari_visualccc.models.nn.encoders import begin
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.models.zoo import DEFAULT_ENCODER


def pupil_of(encoder, weights):
    network = build(Architecture(encoder=encoder, classes=len(KINDS) + EXTRA))
    begin(network, encoder, weights)
    return Pupil(network, photographs_teacher())


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 255, (HELD_OUT + 2, len(CHANNELS), SIZE, SIZE), dtype=np.uint8)
    pool[:, 2] %= len(KINDS)
    pool[:, 3] %= 2
    return pool


@pytest.fixture
def patches():
    return torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(1))


def test_a_pupil_that_is_its_teacher_begins_by_seeing_the_same(patches):
    pupil = pupil_of(DEFAULT_ENCODER, "auto").eval()
    outputs, unlike = pupil(patches)
    assert outputs.shape == (2, len(KINDS) + EXTRA, 128, 128)
    assert unlike.abs().max() < 1e-4


def test_another_encoder_begins_unlike_its_teacher_and_learns(patches):
    torch.manual_seed(0)
    pupil = pupil_of("resnet18", "random").train()
    optimiser = torch.optim.AdamW(pupil.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = pupil(patches)[1].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.7
    assert losses[-1] < 0.7 * losses[0]


def test_the_teacher_is_neither_trained_nor_stored():
    pupil = pupil_of("resnet18", "random")
    assert not any("teacher" in name for name in pupil.state_dict())
    own = sum(value.numel() for value in pupil.network.parameters())
    translating = sum(value.numel() for value in pupil.translations.parameters())
    assert sum(value.numel() for value in pupil.parameters()) == own + translating


def test_real_micrographs_join_without_truths(images):
    real = [np.random.default_rng(1).standard_normal((PATCH + 5, PATCH), np.float32)]
    task = Everything(images, 0, "cpu", real)
    shown, truths = task.batch(3, 0.0)
    assert shown.shape == (BATCH + REAL, 1, PATCH, PATCH)
    assert truths.shape == (BATCH, 4, PATCH, PATCH)
    again = task.batch(3, 0.5)
    assert torch.equal(shown, again[0])
    assert torch.equal(truths, again[1])
    outputs = torch.zeros(BATCH + REAL, len(KINDS) + EXTRA, PATCH, PATCH)
    seen_alike, seen_otherwise = (
        task.loss((outputs, torch.full((BATCH + REAL,), unlike)), truths, 0.0) for unlike in (0.0, 1.0)
    )
    assert seen_otherwise - seen_alike == pytest.approx(2, abs=1e-4)
    # Outputs for real micrographs are not judged.
    outputs[BATCH:] = 100
    assert task.loss((outputs, torch.zeros(BATCH + REAL)), truths, 0.0) == pytest.approx(float(seen_alike), abs=1e-5)


def test_the_same_step_is_disturbed_alike(images):
    task = Everything(images, 0, "cpu")
    pupil = pupil_of("resnet18", "random").train()
    seen = []
    for _ in range(2):
        shown, _ = task.batch(5, 0.0)
        seen.append(pupil._disturbed(shown))
    assert torch.equal(*seen)
    assert not torch.equal(seen[0], shown)


def test_folders_of_real_micrographs_are_normalised_and_small_ones_left_out(tmp_path):
    from imageio.v3 import imwrite

    rng = np.random.default_rng(0)
    imwrite(tmp_path / "large.tif", rng.integers(0, 60000, (300, 250), dtype=np.uint16))
    imwrite(tmp_path / "small.tif", rng.integers(0, 255, (100, 250), dtype=np.uint8))
    (plane,) = real_planes([tmp_path])
    assert plane.shape == (300, 250)
    assert plane.dtype == np.float32
    assert abs(float(np.median(plane))) < 0.5
    assert 0.3 < float(plane.std()) < 3


def test_real_micrographs_are_refused_where_the_encoder_is_kept(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["pretrain.py", "--keep-encoder", "--real", "somewhere"])
    with pytest.raises(SystemExit):
        _asked()
    assert "choose one of them" in capsys.readouterr().err


def test_a_kept_encoder_is_shipped_as_it_was_while_the_rest_learns(images):
    network = build(Architecture(encoder=DEFAULT_ENCODER, classes=len(KINDS) + EXTRA))
    begin(network, DEFAULT_ENCODER, "auto")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kept = keep_encoder(network)
    alone = Pupil(network, None).train()
    task = Everything(images, 0, "cpu")
    shown, truths = (part[:2, :, :64, :64] for part in task.batch(0, 0.0))
    learning = [value for value in alone.parameters() if value.requires_grad]
    outputs = alone(shown)
    assert outputs[1].tolist() == [0, 0]
    task.loss(outputs, truths, 0.0).backward()
    torch.optim.SGD(learning, 0.1).step()
    # Its normalisations have seen micrographs; what is shipped has not.
    assert any(not torch.equal(value, network.state_dict()[name]) for name, value in kept.items())
    shipped = joined(to_ship(network.state_dict(), kept))
    assert shipped.keys() == before.keys()
    for name, value in before.items():
        if name.startswith(("encoder.", "greys.")):
            np.testing.assert_array_equal(shipped[name].astype(np.float32), value.float().numpy())
    learnt = [name for name in before if not np.allclose(shipped[name], before[name].numpy(), atol=1e-3)]
    assert {name.partition(".")[0] for name in learnt} >= {"decoder", "up", "down"}
