"""The dock widgets: thin faces of the functions in the other rooms."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
