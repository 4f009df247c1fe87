"""Digital image processing: steps, pipelines of them, lazily applied, with regions for live previews."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
