"""Simulated micrographs with known truth: what a measurement should find is known exactly."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
