from .chapter import Chapter as Chapter
from .chapter import Measurement as Measurement
from .run import run_demo as run_demo
from .viewer import has_display as has_display
from .viewer import open_viewer as open_viewer
