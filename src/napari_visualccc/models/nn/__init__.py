"""Networks: the only room where PyTorch is imported at the top of a file."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class _TritonGuard(PathFinder):
    """Stops PyTorch from importing Triton in a process in which Mesa has loaded LLVM for drawing.

    ``libtriton.so`` brings an LLVM of its own; initialising the second one is a segmentation fault that takes napari
    and everything painted with it (torchvision imports it on the way to a ResNet). Nothing here compiles kernels.
    It looks when Triton is asked for: the canvas may be drawn first, or PyTorch be imported first.
    It takes the place of Python's own finder: Triton is then as if it were not installed, which PyTorch is ready for,
    also where it only asks whether it is there (`importlib.util.find_spec`).
    """

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing for Triton where it would crash; all else as ever."""
        maps = Path("/proc/self/maps")
        if fullname == "triton" and maps.exists() and "libLLVM" in maps.read_text(errors="replace"):
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path[:] = [_TritonGuard if finder is PathFinder else finder for finder in sys.meta_path]
