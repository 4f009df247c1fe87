from .calibration import PixelSizeWidget as PixelSizeWidget
from .classify import ClassifyWidget as ClassifyWidget
from .cluster import ClusterWidget as ClusterWidget
from .fft import FftWidget as FftWidget
from .map import MapWidget as MapWidget
from .measure import MeasureWidget as MeasureWidget
from .process import ProcessWidget as ProcessWidget
from .segment import SegmentWidget as SegmentWidget
