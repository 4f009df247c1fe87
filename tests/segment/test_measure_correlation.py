"""Correlation of fields and series with known functions, and the blocks that follow from it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_visualccc.segment.blocks import every_cell, partition, whole_plane
from napari_visualccc.segment.bootstrap import block_length
from napari_visualccc.segment.correlation import Correlation, correlation_lengths, correlation_time, longest


def noise(shape, along, across, degrees, rng):
    """Periodic noise with ρ = exp(-u²/4 along² - v²/4 across²), u pointing so far from right towards down."""
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) * np.where(np.arange(n) > n / 2, -1, 1) for n in shape)
    angle = np.radians(degrees)
    u = x[None] * np.cos(angle) + y[:, None] * np.sin(angle)
    v = y[:, None] * np.cos(angle) - x[None] * np.sin(angle)
    kernel = np.exp(-(u**2) / (2 * along**2) - v**2 / (2 * across**2))
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=shape)) * np.fft.rfft2(kernel), shape)
    return field / np.sqrt((kernel**2).sum())


@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_lengths_of_a_field_without_direction(sigma):
    # A = 4πσ² and √(A/2π) = √2 σ.
    field = np.stack([noise((200, 200), sigma, sigma, 0, np.random.default_rng(seed)) for seed in range(4)])
    found = correlation_lengths(field, np.ones_like(field))
    assert (found.height, found.width) == pytest.approx([np.sqrt(2) * sigma] * 2, rel=0.15)
    assert found.tilt == 0


@pytest.mark.parametrize("degrees", [0, 30, -40, 70, 90])
def test_lengths_of_a_field_with_direction(degrees):
    field = noise((256, 256), 12, 3, degrees, np.random.default_rng(0))[None]
    found = correlation_lengths(field, np.ones_like(field))
    assert found.along(np.radians(degrees)) == pytest.approx(np.sqrt(2) * 12, rel=0.2)
    assert found.along(np.radians(degrees + 90)) == pytest.approx(np.sqrt(2) * 3, rel=0.2)
    assert abs(found.tilt) <= math.pi / 4


def test_fields_that_do_not_vary_have_no_length():
    assert correlation_lengths(np.ones((1, 9, 9)), np.ones((1, 9, 9))) == Correlation(0, 0)
    assert correlation_lengths(np.ones((1, 9, 9)), np.zeros((1, 9, 9))) == Correlation(0, 0)


def test_the_longest_lengths_hold_all():
    found = longest([Correlation(2, 8, 0.3), Correlation(5, 5), Correlation(1, 3, -0.7)])
    assert (found.tilt, found.width, found.height) == pytest.approx([0.3, 8, 5])


def test_blocks_have_the_proportions_of_the_correlation():
    plane = partition((60, 80), Correlation(1, 4), 1)
    # Blocks without direction would have the edge √(2 · √(60 · 80)) = 11.8; these 5.9 × 23.5.
    assert (plane.height, plane.width) == pytest.approx([60 / 10, 80 / 3])
    assert set(np.bincount(plane.block.ravel())) <= {6 * 26, 6 * 27}
    assert partition((60, 80), Correlation(0, 0), 1).count == 60 * 80
    assert partition((60, 80), Correlation(50, 50), 1).count == 1


@pytest.mark.parametrize("degrees", [-40, 20, 45])
def test_blocks_of_tilted_layers_are_bands_along_them(degrees):
    angle = np.radians(degrees)
    for lengths in (Correlation(1, 500, angle), Correlation(500, 1, angle)):
        plane = partition((64, 64), lengths, 1)
        cells = np.bincount(plane.block.ravel())
        assert plane.count > 5
        assert np.ptp(cells) <= 0.25 * cells.mean()
        y, x = np.mgrid[:64, :64]
        across = y * np.cos(angle) - x * np.sin(angle)
        if lengths.height > lengths.width:
            across = x * np.cos(angle) + y * np.sin(angle)
        ends = [(across[plane.block == band].min(), across[plane.block == band].max()) for band in range(plane.count)]
        assert all(high <= low for (_, high), (low, _) in zip(ends, ends[1:], strict=False))


def test_sums_over_blocks_are_those_of_their_cells():
    counts = np.random.default_rng(0).integers(0, 9, (3, 5, 7, 2))
    plane = partition((5, 7), Correlation(0.1, 0.2, 0.4), 1)
    sums = plane.sums(counts)
    assert sums.shape == (3, plane.count, 2)
    for block in range(plane.count):
        assert np.array_equal(sums[:, block], counts[:, plane.block == block].sum(axis=1))
    assert np.array_equal(every_cell((5, 7)).sums(counts), counts.reshape(3, 35, 2))
    assert np.array_equal(whole_plane((5, 7)).sums(counts)[:, 0], counts.sum(axis=(1, 2)))


def test_correlation_time_of_a_known_series():
    rng = np.random.default_rng(0)
    series = np.zeros(20_000)
    for i in range(1, len(series)):
        series[i] = 0.8 * series[i - 1] + rng.normal()
    assert correlation_time(series[:, None]) == pytest.approx(1.8 / 0.2, rel=0.15)
    assert correlation_time(rng.normal(size=(2000, 1))) == pytest.approx(1, abs=0.1)
    assert correlation_time(np.zeros((10, 1))) == 1
    assert block_length(50.0, 20) == 20


def test_correlation_times_of_short_series_are_not_too_short():
    rng = np.random.default_rng(0)
    kernel = np.exp(-(np.arange(-80, 81) ** 2) / (2 * 20**2))
    times = []
    for _ in range(100):
        series = np.convolve(rng.normal(size=560), kernel, "valid")
        times.append(correlation_time((series - series.mean())[:, None]))
    true = np.sqrt(4 * np.pi) * 20
    assert np.median(times) == pytest.approx(true, rel=0.15)  # without the correction 0.75 of it
