from .apply import ProcessResult as ProcessResult
from .apply import apply as apply
from .glcm import glcm_maps as glcm_maps
from .lazy import read_region as read_region
from .pipeline import Pipeline as Pipeline
from .pipeline import PipelineStep as PipelineStep
