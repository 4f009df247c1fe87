"""Electron micrographs from files and results to files, with physical sizes."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
