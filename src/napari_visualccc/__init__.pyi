from . import cluster as cluster
from . import core as core
from . import io as io
from . import layers as layers
from . import samples as samples
from ._version import __version__ as __version__
