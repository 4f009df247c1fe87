"""Micrographs laid out by likeness, searched, and asked how well their look predicts a property."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
