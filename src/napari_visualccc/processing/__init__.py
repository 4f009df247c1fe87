"""Digital image processing: pipelines of steps, lazily applied; spectra and lattices in calibrated units."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
