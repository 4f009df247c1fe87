"""Triton and Mesa's software OpenGL bring an LLVM each: both in one process are a segmentation fault."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes.util, sys
import napari_visualccc.models.nn
import torch
library = ctypes.util.find_library("LLVM") or next(iter(sys.argv[1:]), None)
ctypes.CDLL(library)
import importlib.util
there = importlib.util.find_spec("triton") is not None
import torchvision.models
import torch._inductor.utils
torch._inductor.utils.get_triton_attrs_descriptor_version()
try:
    import triton
except ModuleNotFoundError:
    pass
print(there, "triton" in sys.modules)
"""


def mesas_llvm():
    from glob import glob

    found = glob("/usr/lib/*/libLLVM*.so*")
    if not found:
        pytest.skip("Mesa's LLVM is not here")
    return found[0]


def test_triton_is_kept_out_where_mesa_draws_even_if_networks_were_imported_first():
    words = [sys.executable, "-c", PROGRAM, mesas_llvm()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "False False\n"), done.stderr


def test_everything_else_is_found_as_ever():
    program = (
        "import importlib.metadata as m, importlib.util as u\n"
        "def seen(): return u.find_spec('triton') is None, u.find_spec('torchvision').origin, m.version('torch')\n"
        "before = seen()\n"
        "import napari_visualccc.models.nn\n"
        "assert seen() == before"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
