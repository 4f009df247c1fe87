from .building import build_map, extend_map, laid_out, with_table
from .files import MicrographMap, load_map, relink, save_map
from .groups import cluster_micrographs, cluster_table
from .options import MapOptions, PropertyOptions
from .projection import Quality, judge, place, project
from .properties import PropertyResult, predict_property
from .regions import Regions, driving_regions, fit_regressor
from .similar import most_similar, place_of

__all__ = [
    "MapOptions",
    "MicrographMap",
    "PropertyOptions",
    "PropertyResult",
    "Quality",
    "Regions",
    "build_map",
    "cluster_micrographs",
    "cluster_table",
    "driving_regions",
    "extend_map",
    "fit_regressor",
    "judge",
    "laid_out",
    "load_map",
    "most_similar",
    "place",
    "place_of",
    "predict_property",
    "project",
    "relink",
    "save_map",
    "with_table",
]
