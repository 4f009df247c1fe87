"""Classify, segment, cluster and map electron micrographs of materials, in physical units."""

import lazy_loader as lazy

from napari_visualccc._version import __version__

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
__all__ += ["__version__"]
