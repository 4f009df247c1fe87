"""Segment phases with networks and pixel classifiers trained from a few labels, and measure them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
