"""Which morphology is it, how sure, and is it like anything learnt: train, predict and measure classifiers."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
