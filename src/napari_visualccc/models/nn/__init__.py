"""Networks: the only room where PyTorch is imported at the top of a file."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class _TritonGuard(MetaPathFinder, Loader):
    """Stops PyTorch from importing Triton in a process in which Mesa has loaded LLVM for drawing.

    ``libtriton.so`` brings an LLVM of its own; initialising the second one is a segmentation fault that takes napari
    and everything painted with it (torchvision imports it on the way to a ResNet). Nothing here compiles kernels.
    It looks when Triton is asked for: the canvas may be drawn first, or PyTorch be imported first.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Triton as something that cannot be loaded, where it would crash; all else is found elsewhere."""
        maps = Path("/proc/self/maps")
        if name == "triton" and maps.exists() and "libLLVM" in maps.read_text(errors="replace"):
            return ModuleSpec(name, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Fail as if it were not installed, which PyTorch is ready for."""
        raise ModuleNotFoundError("Triton is kept out: its LLVM and Mesa's crash each other", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Never comes to that."""


sys.meta_path.insert(0, _TritonGuard())
