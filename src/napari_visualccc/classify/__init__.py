"""Which morphology is it, how sure, and what in the image says so: classifiers and their explanation."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
