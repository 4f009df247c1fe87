"""Running networks over planes: blending, tiles, views, resampling, fusing, out of memory."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_visualccc.core.errors import ModelError, OptionError
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.models.architectures import DECODERS
from napari_visualccc.models.nn.fuse import fused
from napari_visualccc.models.nn.precision import PLAIN, Precision, fastest_precision
from napari_visualccc.models.nn.segmenter import Segmenter, is_out_of_memory
from napari_visualccc.models.nn.tiled import reflect_to
from napari_visualccc.models.nn.unet import Architecture, build


class Pointwise(nn.Module):
    """Scores that depend on the pixel alone: whatever the tiles, the answer is known."""

    multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([1.0, -1.0])[None, :, None, None])

    def forward(self, images):
        return images * self.factor


def whole(segmenter, image, **words):
    bands = list(segmenter.bands(lambda region: image[region], image.shape, **words))
    rows = [row for rows, _ in bands for row in range(rows.start, rows.stop)]
    assert rows == list(range(len(rows)))
    return np.concatenate([values for _, values in bands], axis=1)


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(150, 201)).astype(np.float32)


@pytest.mark.parametrize(("tile", "overlap"), [(64, 0), (64, 16), (96, 40), (512, 128)])
@pytest.mark.parametrize("views", ["none", "all"])
def test_a_pointwise_network_is_not_touched_by_tiles(image, tile, overlap, views):
    probabilities = whole(Segmenter(Pointwise(), precision=PLAIN), image, tile=tile, overlap=overlap, views=views)
    expected = 1 / (1 + np.exp(-2 * image))
    np.testing.assert_allclose(probabilities[0], expected, atol=2e-6)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=2e-6)


def test_a_plane_a_little_wider_than_a_tile_is_looked_at_once():
    seen = []

    class Watched(Pointwise):
        def forward(self, images):
            seen.append(tuple(images.shape[-2:]))
            return super().forward(images)

    image = np.zeros((144, 264), np.float32)
    segmenter = Segmenter(Watched(), precision=PLAIN)
    whole(segmenter, image, tile=128, overlap=16)
    assert seen == [(144, 144), (144, 144)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build(Architecture(encoder="resnet18", classes=3))
    network.train()
    with torch.no_grad():
        for _ in range(3):  # running statistics that are not those of a newborn
            network(torch.randn(2, 1, 128, 128))
    return network.eval()


def test_fused_network_gives_the_same_scores(network):
    import copy

    image = torch.randn(1, 1, 128, 256, generator=torch.Generator().manual_seed(0))
    ready = fused(copy.deepcopy(network))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in ready.modules()) == 0
    with torch.inference_mode():
        torch.testing.assert_close(ready(image), network(image), rtol=1e-3, atol=1e-4)


def test_an_eightfold_mean_follows_the_image_when_it_is_turned(network):
    image = np.random.default_rng(1).normal(size=(96, 96)).astype(np.float32)
    segmenter = Segmenter(network, precision=PLAIN)
    straight = whole(segmenter, image, views="all")
    turned = whole(segmenter, np.rot90(image).copy(), views="all")
    np.testing.assert_allclose(np.rot90(straight, axes=(1, 2)), turned, atol=1e-4)


def test_the_segmenter_leaves_the_network_alone(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Segmenter(network)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (33, 7), (31, 65)])
def test_odd_sizes(network, shape):
    probabilities = whole(Segmenter(network), np.zeros(shape, np.float32), tile=64, overlap=16)
    assert probabilities.shape == (3, *shape)
    assert np.isfinite(probabilities).all()


def test_mirroring_pads_any_size():
    padded = reflect_to(torch.arange(3.0).reshape(1, 1, 1, 3), 5, 9)
    assert padded.shape == (1, 1, 5, 9)
    assert padded[0, 0, 4].tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0]


def test_resampling_sees_the_model_s_pixel_size():
    """A pointwise network on a smooth image: factors change nothing but a little blur."""
    y, x = np.mgrid[0:120, 0:90]
    image = np.sin(y / 15).astype(np.float32) * np.cos(x / 18).astype(np.float32)
    expected = 1 / (1 + np.exp(-2 * image))
    for factors in ((0.5, 0.5), (2.0, 2.0), (0.7, 1.3)):
        probabilities = whole(Segmenter(Pointwise(), precision=PLAIN), image, factors=factors, tile=64, overlap=16)
        assert probabilities.shape == (2, 120, 90)
        np.testing.assert_allclose(probabilities[0], expected, atol=0.02)


class Greedy(Pointwise):
    """Has memory for small images only."""

    limit = 200 * 200

    def forward(self, images):
        if images.shape[-1] * images.shape[-2] > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(images)


def test_smaller_tiles_when_memory_runs_out(caplog):
    image = np.random.default_rng(0).normal(size=(600, 500)).astype(np.float32)
    probabilities = whole(Segmenter(Greedy(), precision=PLAIN), image, tile=512, overlap=64)
    np.testing.assert_allclose(probabilities[0], 1 / (1 + np.exp(-2 * image)), atol=2e-6)
    assert "tiles of 128" in caplog.text


def test_tiles_that_memory_does_not_bear_are_not_tried_on_every_plane(caplog):
    segmenter = Segmenter(Greedy(), precision=PLAIN)
    assert (segmenter.bearable(512), segmenter.bearable(64)) == (512, 64)
    for _ in range(2):
        whole(segmenter, np.zeros((600, 500), np.float32), tile=512, overlap=64)
        assert (segmenter.bearable(512), segmenter.bearable(64)) == (128, 64)
    assert caplog.text.count("going on with tiles") == 2  # 256, 128
    whole(segmenter, np.zeros((100, 90), np.float32), tile=64)


def test_no_memory_at_all_is_said_in_words(monkeypatch):
    monkeypatch.setattr(Greedy, "limit", 0)
    with pytest.raises(OptionError, match="not enough memory on cpu to segment even one small tile"):
        whole(Segmenter(Greedy(), precision=PLAIN), np.zeros((300, 300), np.float32))


def test_cancelling_between_tiles():
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 2

    with pytest.raises(Cancelled):
        whole(
            Segmenter(Pointwise(), precision=PLAIN), np.zeros((300, 300), np.float32), tile=64, overlap=0,
            progress=Progress(is_cancelled=cancelled),
        )  # fmt: skip
    assert len(calls) == 3


def test_cancelling_between_the_views_of_a_tile():
    seen = []

    class Watched(Pointwise):
        def forward(self, images):
            seen.append(images)
            return super().forward(images)

    cancelled = Progress(is_cancelled=lambda: len(seen) >= 3)
    with pytest.raises(Cancelled):
        whole(Segmenter(Watched(), precision=PLAIN), np.zeros((64, 64), np.float32), views="all", progress=cancelled)
    assert len(seen) == 3


def test_cancelling_between_the_layers_of_a_network():
    seen = []

    class Layer(nn.Module):
        def forward(self, images):
            seen.append(images)
            return images

    class Deep(Pointwise):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*(Layer() for _ in range(5)))

        def forward(self, images):
            return super().forward(self.layers(images))

    segmenter = Segmenter(Deep(), precision=PLAIN)
    cancelled = Progress(is_cancelled=lambda: len(seen) >= 2)
    with pytest.raises(Cancelled):
        whole(segmenter, np.zeros((64, 64), np.float32), progress=cancelled)
    assert len(seen) == 2
    whole(segmenter, np.zeros((64, 64), np.float32))
    assert len(seen) == 7


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_gives_scores_at_full_size(decoder):
    network = build(Architecture(decoder, "resnet18", 2)).eval()
    with torch.inference_mode():
        height, width = network.multiple, 2 * network.multiple
        assert network(torch.zeros(1, 1, height, width)).shape == (1, 2, height, width)


def test_an_encoder_of_timm():
    network = build(Architecture("unet", "tu-resnet10t", 2)).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 128, 128)).shape == (1, 2, 128, 128)


@pytest.mark.parametrize(("decoder", "encoder"), [("unet", "resnet17"), ("yolo", "resnet18"), ("unet", "tu-nothing")])
def test_unknown_networks_are_named(decoder, encoder):
    with pytest.raises(OptionError, match=encoder if decoder == "unet" else decoder):
        build(Architecture(decoder, encoder, 2))


def test_precision_is_measured_once():
    assert fastest_precision("cpu") is fastest_precision("cpu")


class Overflowing(Pointwise):
    """Gives NaN in half precision."""

    def forward(self, images):
        scores = super().forward(images)
        return scores * float("nan") if images.dtype == torch.bfloat16 else scores


@pytest.mark.parametrize(
    ("words", "is_memory"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", True),
        ("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to", True),
        ("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: not enough memory: you tried to", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_lack_of_memory_is_known_by_what_every_system_says(words, is_memory):
    assert is_out_of_memory(RuntimeError(words)) is is_memory


def test_half_precision_that_overflows_is_replaced(caplog):
    image = np.random.default_rng(0).normal(size=(100, 90)).astype(np.float32)
    segmenter = Segmenter(Overflowing(), precision=Precision(torch.bfloat16, True))
    np.testing.assert_allclose(whole(segmenter, image, tile=64)[0], 1 / (1 + np.exp(-2 * image)), atol=2e-6)
    assert "float32" in caplog.text


def test_values_that_are_never_finite_are_an_error():
    network = Pointwise()
    network.factor.data[:] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        whole(Segmenter(network, precision=PLAIN), np.zeros((64, 64), np.float32))


def test_near_ties_between_formats_are_not_decided_by_chance(monkeypatch):
    usual, half = Precision(torch.float32, True), Precision(torch.bfloat16, True)

    def chosen(plain, channels_last, bfloat16, **words):
        seconds = dict(zip((PLAIN, usual, half), (plain, channels_last, bfloat16), strict=True))
        monkeypatch.setattr("napari_visualccc.models.nn.precision._seconds", lambda device: seconds)
        return fastest_precision("cpu", **words)

    assert {chosen(1.0, 0.9, 5.0), chosen(1.0, 1.0, 5.0), chosen(1.0, 1.09, 5.0)} == {usual}
    assert chosen(1.0, 1.2, 5.0) == PLAIN
    assert chosen(1.0, 1.0, 0.95) == usual
    assert chosen(1.0, 1.0, 0.5) == half
    assert chosen(1.0, 1.0, 0.5, exact=True) == usual
