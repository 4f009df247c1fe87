"""The machine we run on: seeds, devices, memory, and threads for computing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_visualccc.core.errors import OptionError, OutputError
from napari_visualccc.core.progress import Progress, silent

T = TypeVar("T")
R = TypeVar("R")

# A result larger than this share of the free memory is kept in a temporary file instead.
IN_MEMORY_SHARE = 0.25
# What systems say whose file system cannot take room beforehand.
_NOT_KNOWN_HERE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_ZEROS = bytes(1 << 20)


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


def choose_device(wanted: Device | str = Device.AUTO) -> Device:
    """Turn a wish into a device that is there.

    Raises
    ------
    OptionError
        If a GPU is asked for by name and PyTorch sees none.
    """
    wanted = Device(wanted)
    if wanted is Device.CPU:
        return wanted
    available = available_gpus()
    if wanted is Device.AUTO:
        return available[0] if available else Device.CPU
    if wanted not in available:
        raise OptionError(f"device '{wanted}' was asked for, but PyTorch sees none here: use --device auto or cpu")
    return wanted


def available_gpus() -> list[Device]:
    """GPUs that PyTorch sees; none without PyTorch."""
    try:
        import torch
    except ImportError:
        return []
    found = []
    if torch.cuda.is_available():
        found.append(Device.CUDA)
    if torch.backends.mps.is_available():
        found.append(Device.MPS)
    return found


def random_generator(seed: int, *path: int) -> np.random.Generator:
    """Generator for one purpose: the same seed and path give the same numbers, other paths independent ones."""
    return np.random.default_rng([seed, *path])


def cpu_count() -> int:
    """Cores this process may use, which in a container or on a cluster is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def map_threaded(
    function: Callable[[T], R], items: Iterable[T], *, progress: Progress | None = None, message: str = ""
) -> Iterator[tuple[T, R]]:
    """Apply a function to items on all cores; yield ``(item, result)`` as they finish, in any order.

    For NumPy and SciPy code, which releases the interpreter lock. At most two items per core are under way, so
    results do not pile up in memory. The calling thread waits in short steps and reports, so that cancelling
    takes effect within a fraction of a second; items that have begun are finished, the others are dropped.

    Raises
    ------
    Cancelled
        From `progress`.
    """
    progress = silent(progress)
    todo = list(items)
    if not todo:
        return
    workers = min(cpu_count(), len(todo))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="visualccc-compute")
    running: dict[Future[R], T] = {}
    started = done = 0
    try:
        while done < len(todo):
            while started < len(todo) and len(running) < 2 * workers:
                running[pool.submit(function, todo[started])] = todo[started]
                started += 1
            finished, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
            for future in finished:
                done += 1
                yield running.pop(future), future.result()
            progress(done / len(todo), message)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def free_memory() -> int:
    """Bytes of memory that can be taken without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def allocate(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Array of zeros for a result: in memory if it fits well, otherwise in a temporary file that vanishes with it.

    Raises
    ------
    OutputError
        If there is no room for such a file.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_SHARE * free_memory():
        return np.zeros(shape, dtype)
    try:
        with TemporaryFile(prefix="visualccc-") as file:  # the map keeps the nameless file alive
            _take_room(file, size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise OutputError(
            f"a result of {size / 1e9:.3g} GB fits neither well into memory nor into the folder for temporary files "
            f"({error.strerror or error}): make room, or name another folder in the variable TMPDIR"
        ) from error


def _take_room(file: IO[bytes], size: int) -> None:
    """Let a file have its room on the disk from the beginning.

    A file that is only made long gets it while it is written to, and if there is none left then, the system ends a
    process that writes through a map (SIGBUS).
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _NOT_KNOWN_HERE:
                raise
        else:
            return
    for start in range(0, size, len(_ZEROS)):
        file.write(_ZEROS[: size - start])
    file.flush()


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes (0 where the system does not tell)."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if Path("/System/Library").exists() else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
