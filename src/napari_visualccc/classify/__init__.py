"""Classify micrographs with networks trained from few images, and explain what a network answers."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
