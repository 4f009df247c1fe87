"""Kernels in 8 bits."""

import numpy as np
import pytest

from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.compact import compact, joined
from napari_visualccc.models.files import load_model, load_tensors, save_model, save_tensors


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 10.0 ** rng.uniform(-4, 2, (40, 1, 1, 1)), (40, 30, 3, 3)).astype(np.float32)
    kernel[3] = 0
    return {
        "conv.weight": kernel, "small.weight": rng.normal(size=(4, 4, 3, 3)).astype(np.float32),
        "norm.weight": rng.normal(size=20_000).astype(np.float32), "counter": np.int64(70_000),
    }  # fmt: skip


def test_at_most_half_a_step_is_lost(tensors, tmp_path):
    kernel = tensors["conv.weight"]
    found = load_tensors(save_tensors(tmp_path / "a.safetensors", compact(tensors), {}))
    assert found.keys() == tensors.keys()
    scale = compact(tensors)["conv.weight.scale"].astype(np.float64)[:, None, None, None]
    assert (np.abs(found["conv.weight"] - kernel) <= scale / 2).all()
    most = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True)
    assert (scale <= np.maximum(most / 127 * 1.125, 2.0**-20) * (1 + 1e-6)).all()
    assert not found["conv.weight"][3].any()


def test_kernels_come_back_as_exact_products_in_half_precision(tensors):
    stored = compact(tensors)
    scale = stored["conv.weight.scale"].astype(np.float64)[:, None, None, None]
    assert joined(stored)["conv.weight"].dtype == np.float16
    np.testing.assert_array_equal(joined(stored)["conv.weight"], stored["conv.weight"] * scale)


def test_only_large_kernels_are_stored_in_eight_bits(tensors):
    stored = compact(tensors)
    assert {name for name, values in stored.items() if values.dtype == np.int8} == {"conv.weight"}
    assert stored["norm.weight"].dtype == stored["small.weight"].dtype == np.float16
    assert stored["counter"] == 70_000


def test_integers_of_others_and_scales_of_others_stay(tmp_path):
    theirs = {
        "a": np.ones((2, 3), np.int8), "a.scale": np.ones(3, np.float16), "b": np.ones((2, 3), np.float32),
        "b.scale": np.ones(2, np.float16), "c": np.ones((2, 3), np.int8),
    }  # fmt: skip
    assert all(joined(theirs)[name] is values for name, values in theirs.items())
    assert joined(theirs).keys() == theirs.keys()


def test_models_of_users_stay_in_full_precision(tensors, tmp_path):
    path = save_model(tmp_path / "a.safetensors", ModelCard("segment", {}, ()), tensors)
    for name, values in load_model(path).tensors.items():
        np.testing.assert_array_equal(values, tensors[name])
