import builtins
import errno
import os
import threading
import time

import numpy as np
import pytest

from napari_visualccc.core import runtime
from napari_visualccc.core.errors import OptionError, OutputError
from napari_visualccc.core.progress import Cancelled, Progress


def test_map_threaded_gives_every_item_once():
    found = dict(runtime.map_threaded(lambda x: x * x, range(50)))
    assert found == {x: x * x for x in range(50)}


def test_map_threaded_passes_errors_on():
    def fail(x):
        if x == 3:
            raise KeyError(x)

    with pytest.raises(KeyError):
        list(runtime.map_threaded(fail, range(10)))


def test_cancel_stops_within_a_second_and_leaves_no_threads():
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.perf_counter()
    with pytest.raises(Cancelled):
        list(runtime.map_threaded(lambda _: time.sleep(0.1), range(1000), progress=Progress(is_cancelled=stop.is_set)))
    assert time.perf_counter() - started < 1
    assert not [t for t in threading.enumerate() if t.name.startswith("visualccc-compute")]


def test_progress_is_reported_while_one_item_takes_long():
    calls = []
    list(runtime.map_threaded(lambda _: time.sleep(0.5), [1], progress=Progress(lambda *_: calls.append(1))))
    assert len(calls) >= 4


def test_seeds_give_the_same_numbers_and_paths_different_ones():
    first = runtime.random_generator(1, 2).random(4)
    np.testing.assert_array_equal(first, runtime.random_generator(1, 2).random(4))
    assert not np.allclose(first, runtime.random_generator(1, 3).random(4))


def test_large_results_go_to_a_file(monkeypatch):
    monkeypatch.setattr(runtime, "free_memory", lambda: 1000)
    big = runtime.allocate((100, 100), np.uint8)
    assert isinstance(big, np.memmap)
    big[3] = 7
    assert big.sum() == 700
    assert not isinstance(runtime.allocate((10, 10), np.uint8), np.memmap)


def test_a_result_for_which_there_is_no_room_is_refused_before_it_is_written(monkeypatch):
    """Writing to a map whose disk is full ends the process."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runtime, "free_memory", lambda: 1000)
    monkeypatch.setattr(runtime, "_take_room", full)
    with pytest.raises(OutputError, match=r"a result of 0.003 GB .* \(No space left on device\): .* TMPDIR"):
        runtime.allocate((1000, 3000), np.uint8)


@pytest.mark.parametrize("knows", ["fallocate", "error", "nothing"])
def test_room_is_taken_at_once(tmp_path, monkeypatch, knows):
    def unknown(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    if knows == "error":
        monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)
    elif knows == "nothing":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    size = 3_000_001
    with (tmp_path / "room").open("wb") as file:
        runtime._take_room(file, size)
    found = (tmp_path / "room").stat()
    assert found.st_size == size
    assert getattr(found, "st_blocks", size) * 512 >= size


def test_without_pytorch_auto_is_the_cpu_and_cuda_an_error(monkeypatch):
    real = builtins.__import__

    def no_torch(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_torch)
    assert runtime.choose_device("auto") is runtime.Device.CPU
    with pytest.raises(OptionError, match="--device auto or cpu"):
        runtime.choose_device("cuda")


def test_peak_memory_counts_bytes():
    assert runtime.peak_memory() > 10e6
