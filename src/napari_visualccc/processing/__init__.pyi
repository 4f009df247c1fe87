from .apply import ProcessResult as ProcessResult
from .apply import apply as apply
from .apply import read_region as read_region
from .glcm import glcm_maps as glcm_maps
from .pipeline import Pipeline as Pipeline
from .pipeline import PipelineStep as PipelineStep
