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
import torchvision.models
print("triton" in sys.modules)
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
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
