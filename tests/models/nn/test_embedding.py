import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_visualccc.core.errors import InputError, ModelError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.models.embedding_cache import EmbeddingCache
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.files import load_tensors
from napari_visualccc.models.micrographs import Micrograph
from napari_visualccc.models.nn import embedding
from napari_visualccc.models.nn.embedding import Embedder
from napari_visualccc.models.nn.encoders import shipped_weights
from napari_visualccc.models.nn.precision import PLAIN


@pytest.fixture(scope="module")
def embedder():
    return Embedder(device="cpu", precision=PLAIN)


@pytest.fixture(scope="module")
def stack():
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(3, 120, 150))
    smooth = [gaussian_filter(plane, sigma) for plane, sigma in zip(noise, (1, 3, 6), strict=True)]
    return np.stack([plane / plane.std() for plane in smooth]).astype(np.float32)


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_vector_is_what_torchvision_finds(stack):
    from torchvision.models import resnet18

    plane = np.tile(stack[0], (2, 1))[:, :148]  # multiples of four: nothing is averaged over half a block
    low, high = np.percentile(plane, (0.5, 99.5))
    clipped = plane.clip(low, high)
    values = torch.from_numpy((plane - clipped.mean()) / clipped.std()).float()[None, None]
    network = resnet18(weights=None)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    network.fc = torch.nn.Identity()
    tensors = {k.removeprefix("encoder."): torch.from_numpy(v.copy()).float()
               for k, v in load_tensors(shipped_weights()["resnet18"]).items() if k.startswith("encoder.")}  # fmt: skip
    network.load_state_dict(tensors, strict=False)
    network.eval()
    embedder = Embedder(EmbeddingOptions(encoder="resnet18"), "cpu", PLAIN)
    with torch.no_grad():
        seen = [network(embedder.trunk.greys(F.avg_pool2d(values, n, ceil_mode=True))[1])[0] for n in (1, 2, 4)]
    np.testing.assert_allclose(embedder.embed(plane)[0], torch.cat(seen), rtol=1e-3, atol=1e-4)


def test_fast_number_formats_change_nothing_that_matters(embedder, stack):
    fast = Embedder(device="cpu").embed(stack)
    # pictures of different structure have cosines below 0.95
    assert min(cosine(a, b) for a, b in zip(fast, embedder.embed(stack), strict=True)) > 0.996


def test_likeness_follows_structure_and_not_the_detector(embedder, stack):
    fine, middle, coarse = embedder.embed(stack)
    dark = embedder.embed((stack[0] * 300 + 9000).astype(np.uint16))[0]
    assert cosine(fine, dark) > 0.9999
    assert max(cosine(fine, middle), cosine(fine, coarse), cosine(middle, coarse)) < 0.98


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64, bool])
def test_any_type_any_batch(embedder, stack, dtype):
    images = (stack > 0) if dtype is bool else ((stack + 8) * 10).astype(dtype)
    together = embedder.embed(images)
    alone = np.concatenate([embedder.embed(image) for image in images])
    # An entry near 0 is a mean of numbers that are not: its rounding, which depends on the batch, is theirs.
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5 * alone.std())
    assert np.isfinite(together).all()
    assert together.shape == (3, embedder.dimensions)


def test_colours_dask_and_odd_shapes(embedder, stack):
    import dask.array as da

    image = ((stack[0] + 8) * 10).astype(np.uint8)
    expected = embedder.embed(image)
    np.testing.assert_allclose(embedder.embed(np.stack([image] * 3, -1)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(da.from_array(image, chunks=50)), expected, rtol=1e-4, atol=1e-5)
    for shape in ((1, 1), (1, 300), (5, 2), (33, 31)):
        assert np.isfinite(embedder.embed(np.random.default_rng(0).random(shape))).all()
    assert np.isfinite(embedder.embed(np.full((40, 40), 7))).all()


def test_what_is_masked_or_missing_counts_for_nothing(embedder, stack):
    mask = np.zeros(stack.shape[1:], bool)
    mask[-24:, :80] = True
    with_bar = stack[0].copy()
    with_bar[mask] = 50
    other_bar = stack[0].copy()
    other_bar[mask] = -3
    left_out = embedder.embed(with_bar, masks=[mask])
    np.testing.assert_array_equal(left_out, embedder.embed(other_bar, masks=[mask]))
    with_bar[mask] = np.nan
    np.testing.assert_allclose(embedder.embed(with_bar), left_out, rtol=1e-4, atol=1e-4)
    with pytest.raises(OptionError, match="mask of .* has shape"):
        embedder.embed(stack[0], masks=[mask[1:]])
    with pytest.raises(InputError, match="no finite pixel"):
        embedder.embed(np.full((9, 9), np.nan))


def test_a_common_pixel_size_brings_magnifications_together(stack):
    from skimage.transform import rescale

    common = Embedder(EmbeddingOptions(pixel_nm=2.0), "cpu", PLAIN)
    plain = Embedder(device="cpu", precision=PLAIN)
    magnified = rescale(stack[1], 2)
    sizes = PixelSize(2, 2, "nm"), PixelSize(1, 1, "nm")
    (a,), (b,) = common.embed(stack[1], pixel_size=sizes[0]), common.embed(magnified, pixel_size=sizes[1])
    (c,), (d,) = plain.embed(stack[1]), plain.embed(magnified)
    assert cosine(a, b) > 0.995 > cosine(c, d)
    np.testing.assert_array_equal(common.embed(stack[1]), plain.embed(stack[1]))
    assert common.hash != plain.hash


def test_a_plane_far_from_the_common_pixel_size_is_looked_at_as_it_is(stack, caplog):
    common = Embedder(EmbeddingOptions(pixel_nm=2.0), "cpu", PLAIN)
    far = common.embed(stack[1], pixel_size=PixelSize(100, 100, "nm"))
    np.testing.assert_array_equal(far, common.embed(stack[1]))
    assert "too far apart" in caplog.text


def test_large_planes_are_seen_through_crops(monkeypatch):
    plane = np.random.default_rng(0).random((1500, 1100), np.float32)
    embedder = Embedder(EmbeddingOptions(crops=2), "cpu")
    seen = []
    maps = embedder.maps
    monkeypatch.setattr(embedder, "maps", lambda v, w, r: seen.append((r, tuple(v.shape))) or maps(v, w, r))
    assert np.isfinite(embedder.embed(plane)).all()
    assert seen == [(1, (2, 1, 512, 512)), (2, (1, 1, 1500, 1100)), (4, (1, 1, 1500, 1100))]


def test_vectors_are_kept_and_a_cancelled_run_goes_on(embedder, stack, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "_BATCH_PIXELS", 1)
    cache = EmbeddingCache(tmp_path / "vectors.sqlite")
    asked = iter([False] * 5 + [True] * 99)
    with pytest.raises(Cancelled):
        embedder.embed(stack, cache=cache, progress=Progress(is_cancelled=lambda: next(asked)))
    keys = [cache.key(Micrograph(Planes(stack), index), embedder.hash) for index in range(3)]
    known = [cache.get(key, embedder.dimensions) is not None for key in keys]
    assert known[0]
    assert not known[2]
    expected = embedder.embed(stack, cache=cache)
    monkeypatch.setattr(embedder, "maps", None)
    np.testing.assert_array_equal(embedder.embed(stack, cache=cache), expected)


def test_a_stream_reads_a_few_planes_at_a_time(embedder, stack, monkeypatch):
    monkeypatch.setattr(embedding, "_BATCH_PIXELS", 2 * stack[0].size)
    drawn = []

    def items():
        for index in range(3):
            drawn.append(index)
            yield Micrograph(Planes(stack), index)

    vectors = embedder.stream(items(), 3)
    next(vectors)
    assert drawn == [0, 1]


def test_wrong_encoders_and_weights_are_said_in_words(tmp_path):
    with pytest.raises(OptionError, match="encoder 'resnet1' is not known"):
        Embedder(EmbeddingOptions(encoder="resnet1"))
    with pytest.raises(ModelError):
        Embedder(EmbeddingOptions(weights=str(tmp_path / "none.safetensors")))
    random = [Embedder(EmbeddingOptions(weights="random"), "cpu", PLAIN) for _ in range(2)]
    image = np.random.default_rng(0).random((50, 50))
    np.testing.assert_array_equal(random[0].embed(image), random[1].embed(image))
