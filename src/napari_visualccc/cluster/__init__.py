"""Group pixels by what they look like, without labels: k-means at the scale of electron micrographs."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
