"""The local power spectrum, against NumPy's Fourier transform and lattices of known spacing."""

import warnings

import numpy as np
import pytest
import torch

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn import spectra
from napari_visualccc.models.nn.encoders import begin_with, shipped_weights
from napari_visualccc.models.nn.precision import PLAIN, Precision
from napari_visualccc.models.nn.segmenter import Segmenter
from napari_visualccc.models.nn.spectra import CHANNELS, lattice_share, local_spectra, octave_power, spectra_of
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.samples import HrtemOptions, hrtem


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]


def fringes(period, angle=0.0, edge=256):
    """A lattice of crossed fringes of a period in pixels, turned by an angle in radians."""
    y, x = np.mgrid[:edge, :edge]
    waves = [np.cos(2 * np.pi / period * (np.cos(a) * x + np.sin(a) * y)) for a in (angle, angle + np.pi / 2)]
    return sum(waves).astype(np.float32)


@pytest.mark.parametrize("octave", [0, 1, 2])
def test_power_is_that_of_a_windowed_fourier_transform(octave):
    image = noise(256, 320)
    found = octave_power(tensor(image), octave)[0].numpy()
    assert found.shape == (24, 47, 16, 20)
    factor = 2**octave
    reduced = image.reshape(256 // factor, factor, 320 // factor, factor).mean(axis=(1, 3))
    window = np.hanning(65)[:64]
    window = np.outer(window, window)
    row, column, step = 7, 9, 16 // factor
    before = (64 - step) // 2
    part = np.pad(reduced, before, mode="reflect")[row * step :, column * step :][:64, :64]
    power = np.abs(np.fft.fft2(part * window)) ** 2 / (window**2).sum()
    expected = np.array([[power[down % 64, across] for down in range(-23, 24)] for across in range(24)])
    np.testing.assert_allclose(found[:, :, row, column], expected, rtol=1e-3, atol=1e-5)


def test_white_noise_has_power_one():
    assert float(octave_power(tensor(noise(512, 512)), 0)[:, 4:].mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("period", "octave"), [(4, 0), (8, 0), (16, 1), (32, 2)])
def test_the_brightest_ring_tells_the_spacing(period, octave):
    power = spectra.rings(octave_power(tensor(fringes(period)), octave), octave)[0, :, 1, 8, 8]
    ring = int(power.argmax()) + (6, 4, 4)[octave]
    assert ring == 64 * 2**octave / period


def test_a_turned_lattice_looks_the_same_and_another_spacing_does_not():
    straight, turned, other = (
        local_spectra(tensor(fringes(*how) + 0.3 * noise(256, 256)))[0, :, 8, 8]
        for how in ((9.0,), (9.0, 0.5), (10.0,))
    )
    assert float((straight - turned).square().mean()) < 0.25 * float((straight - other).square().mean())


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (130, 90), (256, 256)])
def test_any_size_has_a_spectrum_for_every_16_pixels(shape):
    found = spectra_of(tensor(noise(*shape)))
    assert found.shape == (1, CHANNELS, -(-shape[0] // 16), -(-shape[1] // 16))
    assert bool(torch.isfinite(found).all())


def test_bands_join_without_a_seam():
    image = tensor(noise(1500, 200))
    torch.testing.assert_close(spectra_of(image), local_spectra(image), rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"dose": 150.0}, {"pixel_nm": 0.0125}, {"pixel_nm": 0.05}])
def test_a_lattice_is_seen_in_lattice_images(options):
    image = hrtem(HrtemOptions(size=512, seed=3, **options)).image[0]
    assert lattice_share(GreyScale.of(image).apply(image)) > 0.1


def test_no_lattice_is_seen_where_there_is_none():
    y, x = np.mgrid[:512, :512].astype(np.float32)
    discs = ((x % 100 - 50) ** 2 + (y % 130 - 60) ** 2 < 900).astype(np.float32) * 4 + noise(512, 512)
    steps = np.floor(x / 90) + 0.1 * noise(512, 512)
    images = [noise(512, 512), np.zeros((512, 512), np.float32), discs, steps, noise(1, 1), noise(50, 700)]
    assert [lattice_share(image) for image in images] == [pytest.approx(0, abs=0.02)] * len(images)
    assert not spectra.shows_lattice(images)


def test_half_of_the_images_must_show_it():
    lattice, plain = fringes(9) + noise(256, 256), noise(256, 256)
    assert spectra.shows_lattice([lattice, plain])
    assert not spectra.shows_lattice([lattice, plain, plain])
    assert not spectra.shows_lattice([])


@pytest.mark.parametrize("decoder", ["unet", "unetplusplus", "fpn", "segformer"])
@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_networks_are_shown_the_spectrum(decoder, reduction):
    network = build(Architecture(decoder, "resnet18", 3, reduction, lattice=True)).eval()
    images = tensor(noise(256, 256))
    scores = network(images)
    assert scores.shape == (1, 3, 256, 256)
    scores.sum().backward()
    assert float(network.spectrum.look[0].weight.grad.abs().sum()) > 0
    assert float(network.spectrum.add.weight.grad.abs().sum()) > 0, "the decoder takes what is added"


def test_a_decoder_that_does_not_look_there_is_refused():
    with pytest.raises(OptionError, match="deeplabv3plus"):
        build(Architecture("deeplabv3plus", "resnet18", 2, lattice=True))


def test_cards_remember_it_and_old_ones_have_none():
    made = Architecture(classes=3, lattice=True)
    assert Architecture.from_dict(made.as_dict()) == made
    old = made.as_dict()
    del old["lattice"]
    assert Architecture.from_dict(old).lattice is False


def test_it_begins_with_weights_that_know_nothing_of_spectra():
    network = build(Architecture("unet", "resnet18", 2, lattice=True, width=64))
    left = begin_with(network, shipped_weights()["resnet18"])
    assert left
    assert all(name.startswith("spectrum.") for name in left)


def test_half_precision_sees_nearly_the_same():
    torch.manual_seed(0)
    network = build(Architecture("unet", "resnet18", 2, lattice=True)).eval()
    image = fringes(9) + noise(256, 256)
    half = Precision(torch.bfloat16, True)
    exact, rounded = (
        np.concatenate([band for _, band in Segmenter(network, precision=how).bands(image.__getitem__, image.shape)], 1)
        for how in (PLAIN, half)
    )
    assert np.abs(exact - rounded).max() < 0.03


def test_it_can_be_recorded_and_used_at_another_size():
    torch.manual_seed(0)
    network = build(Architecture("unet", "resnet18", 2, lattice=True)).eval()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes that never vary in number
        recorded = torch.jit.trace(network, tensor(noise(128, 128)), check_trace=False)
        image = tensor(noise(192, 320))
        torch.testing.assert_close(recorded(image), network(image), rtol=0, atol=1e-4)
