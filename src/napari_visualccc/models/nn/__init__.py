"""Networks: the only room where PyTorch is imported at the top of a file."""

import sys
from pathlib import Path


def _keep_triton_out() -> None:
    """Stop PyTorch from importing Triton in a process in which Mesa has loaded LLVM for drawing.

    ``libtriton.so`` brings an LLVM of its own; initialising the second one is a segmentation fault that takes napari
    and everything painted with it (torchvision imports it on the way to a ResNet). Nothing here compiles kernels.
    """
    maps = Path("/proc/self/maps")
    if "triton" in sys.modules or not maps.exists():
        return
    if "libLLVM" in maps.read_text(errors="replace"):
        sys.modules["triton"] = None  # type: ignore[assignment]  # the documented way to make an import fail


_keep_triton_out()
