"""The whole workflow on the sample micrographs, measured against their known truth: pictures and a report."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
