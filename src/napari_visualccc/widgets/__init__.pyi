from .calibration import PixelSizeWidget as PixelSizeWidget
from .cluster import ClusterWidget as ClusterWidget
from .segment import SegmentWidget as SegmentWidget
