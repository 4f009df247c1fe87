"""Keeping memory between steps."""

import sys

import psutil
import pytest
import torch

from napari_visualccc.models.nn import memory


def test_settings_are_given_back_after_the_last_user():
    with memory.kept_memory():
        with memory.kept_memory():
            assert memory._users == 2
        assert memory._users == 1
    assert memory._users == 0


def test_settings_are_given_back_after_an_error():
    with pytest.raises(ValueError, match="inside"), memory.kept_memory():
        raise ValueError("inside")
    assert memory._users == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc keeps and returns memory like this")
def test_memory_goes_back_to_the_system():
    process = psutil.Process()
    before = process.memory_info().rss
    with memory.kept_memory():
        for _ in range(3):
            torch.ones(64, 1 << 20).sum()
    assert process.memory_info().rss - before < 100e6


def test_other_systems_do_nothing(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.kept_memory():
        assert memory._users == 0
