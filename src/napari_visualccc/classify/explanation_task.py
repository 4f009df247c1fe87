"""Planes on their way through a network and back: windows cut out, batched, explained, put in their place, judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.explanation_options import ExplainOptions
from napari_visualccc.classify.explanation_questions import Model, ask_for, predicted_class
from napari_visualccc.classify.explanation_trust import judge, randomisation_check
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import allocate
from napari_visualccc.core.tiles import overlapping_tiles
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.windows import PlaneView, Window, rescale_factors

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.explainer import Explainer, Heat

# Networks that segment are shown larger planes in parts, in pixels as they see them.
_TILE, _OVERLAP = 1024, 256


@dataclass(frozen=True)
class _Seen:
    """One window of a plane as the network sees it."""

    plane: int
    window: Window
    image: NDArray[np.float32]
    target: int | None
    region: NDArray[np.float32] | None


@dataclass(frozen=True)
class _Found:
    """What was found in one window."""

    target: int
    score: float
    probability: float
    total: float


class ExplanationTask:
    """A stack that is being explained.

    Attributes
    ----------
    heat
        float32, shape (N, Y, X), in units of the score; NaN where the source is not finite.
    """

    def __init__(
        self, model: Model, planes: Planes, options: ExplainOptions, target: int | None, explainer: Explainer,
        regions: Planes | None, pixel_size: PixelSize,
    ) -> None:  # fmt: skip
        from napari_visualccc.models.nn.explainer import Settings

        self._model, self._planes, self._options, self._target = model, planes, options, target
        self._explainer, self._regions, self._pixel_size = explainer, regions, pixel_size
        self._settings = Settings(options.passes, options.steps, options.window, options.seed)
        self.heat: NDArray[np.float32] = allocate(planes.shape, np.float32)
        self._weights: NDArray[np.float32] | None = None
        self._found: dict[int, list[_Found]] = {}

    def run(self, progress: Progress) -> None:
        """Explain all planes."""
        waiting: list[_Seen] = []
        for index in range(len(self._planes)):
            part = progress.part(index / len(self._planes), (index + 1) / len(self._planes))
            part(0.0, f"explaining plane {index + 1} of {len(self._planes)}")
            for seen in self._windows(index):
                if waiting and waiting[0].image.shape != seen.image.shape:
                    self._explain(waiting, part)
                    waiting = []
                waiting.append(seen)
                if len(waiting) >= self._explainer.batch_of(seen.image.shape[:2]):
                    self._explain(waiting, part)
                    waiting = []
        if waiting:
            self._explain(waiting, progress.quiet())
        for index in range(len(self._planes)):
            self.heat[index][~np.isfinite(self._planes.read(index))] = np.nan

    def _view(self, index: int) -> PlaneView:
        if hasattr(self._model, "view"):
            view: PlaneView = self._model.view(self._planes, index, self._pixel_size)
            return view
        scale = GreyScale.of_plane(self._planes, index)
        shape = self._planes.plane_shape
        if self._model.card.task != "segment":
            windows: tuple[Window, ...] = (Window.whole(shape),)
        else:
            windows = tuple(_tiles(shape, rescale_factors(self._pixel_size, self._model.card.pixel_size)))
        return PlaneView(lambda part: scale.read(self._planes, index, part), windows)

    def _windows(self, index: int) -> Iterator[_Seen]:
        view = self._view(index)
        target = self._target
        if target is None and len(view.windows) > 1:
            target = self._predicted(view)
        for window in view.windows:
            yield _Seen(index, window, window.read(view.read), target, self._region(index, window))

    def _predicted(self, view: PlaneView) -> int:
        """One class for a plane that is seen through several windows."""
        import torch

        each = [self._explainer.outputs(window.read(view.read)[None]) for window in view.windows]
        if each[0].ndim == 2:
            chances = torch.cat(each).softmax(dim=1).mean(dim=0, keepdim=True)
            return int(predicted_class(chances))
        return int(predicted_class(torch.cat([one.flatten(2) for one in each], dim=2)[..., None]))

    def _region(self, index: int, window: Window) -> NDArray[np.float32] | None:
        if self._regions is None:
            return None
        mask = self._regions.plane(index if len(self._regions) > 1 else 0, (window.rows, window.columns))
        places = (
            np.clip(((np.arange(seen) + 0.5) * source / seen).astype(int), 0, source - 1)
            for seen, source in zip(window.shape, window.source_shape, strict=True)
        )
        return np.nan_to_num(mask[np.ix_(*places)])

    def _explain(self, batch: list[_Seen], progress: Progress) -> None:
        regions = (
            None if batch[0].region is None else np.stack([seen.region for seen in batch if seen.region is not None])
        )
        ask = ask_for([seen.target for seen in batch], regions, self._options)
        heat = self._explainer.explain(
            np.stack([seen.image for seen in batch]), ask, self._options.method, self._options.layer, self._settings,
            progress.quiet(),
        )  # fmt: skip
        for number, seen in enumerate(batch):
            self._put(seen, heat, number)

    def _put(self, seen: _Seen, heat: Heat, number: int) -> None:
        window = seen.window
        values = window.bring_back(heat.maps[number], heat.grid.stride, heat.grid.offset)
        place = (seen.plane, window.rows, window.columns)
        # Windows of a plane come one after another: what they overlap is weighted, and divided by the weights so far.
        first = seen.plane not in self._found
        if first:
            self._weights = np.zeros(self._planes.plane_shape, np.float32)
        assert self._weights is not None
        weights, before = window.weights(), self._weights[window.rows, window.columns]
        after = before + weights
        self.heat[place] = (self.heat[place] * before + values * weights) / after
        self._weights[window.rows, window.columns] = after
        found = _Found(
            int(heat.targets[number]), float(heat.scores[number]), float(heat.probabilities[number]),
            float(heat.maps[number].sum()),
        )  # fmt: skip
        self._found.setdefault(seen.plane, []).append(found)

    def table(self) -> pd.DataFrame:
        """One row per plane; score, probability and total are means over the windows."""
        import pandas as pd

        classes = self._model.card.classes
        rows = []
        for index, found in sorted(self._found.items()):
            plane = self.heat[index]
            peak = float(np.nanmax(plane)) if np.isfinite(plane).any() else 0.0
            rows.append(
                {
                    "plane": index,
                    "class": classes[found[0].target].name,
                    "probability": float(np.mean([one.probability for one in found])),
                    "score": float(np.mean([one.score for one in found])),
                    "peak": peak,
                    "total": float(np.mean([one.total for one in found])),
                }
            )
        return pd.DataFrame(rows)

    def check_sanity(self, most_planes: int, progress: Progress) -> pd.DataFrame:
        """Mean over planes of `randomisation_check`, in the first window of each."""
        import pandas as pd

        chosen = evenly(len(self._planes), most_planes)
        tables = []
        for number, index in enumerate(chosen):
            part = progress.part(number / len(chosen), (number + 1) / len(chosen))
            seen = next(iter(self._windows(index)))
            ask = ask_for([seen.target], None if seen.region is None else seen.region[None], self._options)
            tables.append(
                randomisation_check(
                    self._explainer, seen.image[None], ask, self._options.method, self._options.layer, self._settings,
                    seed=self._options.seed, progress=part,
                )
            )  # fmt: skip
        return pd.concat(tables).groupby("random_from", sort=False, as_index=False).mean()

    @property
    def asked(self) -> list[int]:
        """Planes with anything to explain: without those of a network that segments where no pixel is of the class."""
        if self._model.card.task != "segment":
            return sorted(self._found)
        # The mean probability of the pixels asked about, which is 0 only if there are none.
        return [index for index, found in sorted(self._found.items()) if any(one.probability > 0 for one in found)]

    def judge(self, progress: Progress) -> pd.DataFrame:
        """Trust in the heat of some of the planes asked about, in that window of each that holds most of it."""
        import pandas as pd

        asked = self.asked
        chosen = [asked[place] for place in evenly(len(asked), self._options.judged)]
        rows = []
        for number, index in enumerate(chosen):
            part = progress.part(number / len(chosen), (number + 1) / len(chosen))
            target = self._found[index][0].target
            seen = max(self._windows(index), key=lambda s: np.nansum(self.heat[index, s.window.rows, s.window.columns]))
            ask = ask_for([target], None if seen.region is None else seen.region[None], self._options)
            heat = self._explainer.explain(
                seen.image[None], ask, self._options.method, self._options.layer, self._settings, part.quiet()
            )
            shown = Window.whole(seen.window.shape).bring_back(heat.maps[0], heat.grid.stride, heat.grid.offset)
            regions = ask(self._explainer.outputs(seen.image[None])).regions
            trust = judge(
                self._explainer, seen.image, shown, target, None if regions is None else regions[0].cpu().numpy(),
                heat.maps.shape[-2:], seed=self._options.seed, progress=part,
            )  # fmt: skip
            rows.append({"plane": index, **trust.as_dict()})
        return pd.DataFrame(rows)


def evenly(count: int, most: int) -> list[int]:
    """At most so many of `count` numbers from 0 on, evenly spread."""
    spread: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist()
    return spread


def _tiles(shape: tuple[int, int], factors: tuple[float, float]) -> Iterator[Window]:
    """Windows that cover a plane, each at most `_TILE` pixels large as the network sees it."""
    edge = max(1, round(_TILE / max(factors)))
    for tile in overlapping_tiles(shape, edge, edge * _OVERLAP // _TILE):
        rows, columns = tile.core
        height, width = rows.stop - rows.start, columns.stop - columns.start
        yield Window(rows, columns, (max(1, round(height * factors[0])), max(1, round(width * factors[1]))))
