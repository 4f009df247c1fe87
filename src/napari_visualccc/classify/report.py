"""The report of an evaluation: numbers with intervals, confusion, curves, calibration, and a gallery of mistakes."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc._version import __version__
from napari_visualccc.classify.evaluation import Evaluation
from napari_visualccc.classify.quality import binary_curve, calibration_bins
from napari_visualccc.core.files import atomic
from napari_visualccc.core.plain import plain
from napari_visualccc.core.results import Colour
from napari_visualccc.pictures import grey_picture

_MOST_MISTAKES = 48
_THUMBNAIL_PX = 260
_WORDS = {
    "weighted_accuracy": "weighted accuracy (share called right)",
    "balanced_accuracy": "balanced accuracy (mean recall)",
    "weighted_f1": "weighted F1", "macro_f1": "macro F1", "roc_auc": "area under ROC (mean over classes)",
    "average_precision": "average precision (mean over classes)",
    "calibration_error": "expected calibration error (10 bins)",
}  # fmt: skip


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    *,
    title: str = "Classification",
    notes: Sequence[str] = (),
    provenance: dict[str, Any] | None = None,
) -> list[Path]:
    """Write ``report.html`` and ``report.json`` into a folder.

    Parameters
    ----------
    evaluation
        What to report.
    folder
        Made if it is not there.
    title
        Heading.
    notes
        What the reader should know, in words, besides the notes of the evaluation.
    provenance
        Record of how the model was made.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    folder = Path(folder)
    page, record = folder / "report.html", folder / "report.json"
    notes = list(dict.fromkeys((*notes, *evaluation.notes)))  # those of a training hold the evaluation's already
    with atomic(page) as temporary:
        temporary.write_text(_page(evaluation, title, notes, provenance), encoding="utf-8")
    answers = evaluation.table.to_dict("records")
    content = {"title": title, "version": __version__, "metrics": evaluation.metrics, "notes": notes,
               "answers": answers, "provenance": provenance}  # fmt: skip
    with atomic(record) as temporary:
        temporary.write_text(json.dumps(plain(content), indent=1), encoding="utf-8")
    return [page, record]


def number_words(value: float | None, limits: Sequence[float] | None = None) -> str:
    """A score and its interval: ``0.924 (0.871 … 0.962)``.

    Examples
    --------
    >>> number_words(0.92381, [0.87, 0.962]), number_words(float("nan"))
    ('0.924 (0.870 … 0.962)', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if not limits or any(one is None or math.isnan(one) for one in limits):
        return f"{value:.3f}"
    return f"{value:.3f} ({limits[0]:.3f} … {limits[1]:.3f})"


def short_words(value: float | None, limits: Sequence[float] | None = None) -> str:
    """The same with two digits, for a narrow dock: ``0.92 (0.87–0.96)``."""
    words = number_words(value, limits)
    if words == "–" or value is None:
        return words
    shown = f"{value:.2f}"
    return f"{shown} ({limits[0]:.2f}–{limits[1]:.2f})" if limits and "(" in words else shown


def _page(evaluation: Evaluation, title: str, notes: Sequence[str], provenance: dict[str, Any] | None) -> str:
    metrics = evaluation.metrics
    intervals = metrics.get("intervals", {})
    rows = "".join(
        f"<tr><td>{words}</td><td>{number_words(metrics[key], intervals.get(key))}</td></tr>"
        for key, words in _WORDS.items()
    )
    told = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    record = ""
    if provenance:
        made = html.escape(json.dumps(provenance, indent=2, default=str))
        record = f"<details><summary>How was this made?</summary><pre>{made}</pre></details>"
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>
<p>{metrics["n"]} planes of {metrics["n_groups"]} groups, {html.escape(evaluation.how)}. In brackets: 95 % intervals,
groups drawn with replacement.</p>{f"<ul>{told}</ul>" if told else ""}
<table><tr><th></th><th>value (95 % interval)</th></tr>{rows}</table>
<h2>Confusion</h2>{_confusion(evaluation)}<h2>Per class</h2>{_classes(evaluation)}
<h2>Curves</h2><div class="row">{_roc(evaluation)}{_precision_recall(evaluation)}{_reliability(evaluation)}</div>
<h2>Mistakes</h2>{_gallery(evaluation)}{record}<p class="small">napari-visualccc {__version__}</p></body></html>"""


def _confusion(evaluation: Evaluation) -> str:
    names = [html.escape(name) for name in evaluation.answers.names]
    matrix = np.array(evaluation.metrics["confusion"])
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = []
    for i, name in enumerate(names):
        cells = "".join(
            f'<td style="background:rgba({"34,136,51" if i == j else "238,102,119"},{0.75 * share[i, j]:.2f})">'
            f"{matrix[i, j]}<br><small>{share[i, j]:.0%}</small></td>"
            for j in range(len(names))
        )
        rows.append(f"<tr><th>{name}</th>{cells}</tr>")
    return f"<table><tr><th>true ↓ called →</th>{head}</tr>{''.join(rows)}</table>"


def _classes(evaluation: Evaluation) -> str:
    intervals = evaluation.metrics.get("intervals", {}).get("per_class", {})
    keys = ("precision", "recall", "f1", "roc_auc", "average_precision")
    head = "".join(f"<th>{key.replace('_', ' ')}</th>" for key in keys)
    rows = []
    for name, numbers in evaluation.metrics["per_class"].items():
        limits = intervals.get(name, {})
        cells = "".join(f"<td>{number_words(numbers[key], limits.get(key))}</td>" for key in keys)
        rows.append(f"<tr><th>{html.escape(name)}</th><td>{numbers['n']}</td>{cells}</tr>")
    return f"<table><tr><th></th><th>planes</th>{head}</tr>{''.join(rows)}</table>"


def _roc(evaluation: Evaluation) -> str:
    answers = evaluation.answers
    lines = []
    for number, one in enumerate(evaluation.classes):
        lines.append((*binary_curve(answers.targets == number, answers.probabilities[:, number]).roc(), one.colour))
    return _plot("ROC, one against the rest", "false positive rate", "true positive rate", lines, diagonal=True)


def _precision_recall(evaluation: Evaluation) -> str:
    answers = evaluation.answers
    lines = []
    for number, one in enumerate(evaluation.classes):
        curve = binary_curve(answers.targets == number, answers.probabilities[:, number])
        lines.append((*curve.precision_recall(), one.colour))
    return _plot("Precision and recall", "recall", "precision", lines)


def _reliability(evaluation: Evaluation) -> str:
    mass, confidence, right = (
        part[0] for part in calibration_bins(evaluation.answers, np.ones((1, len(evaluation.examples))))
    )  # noqa: E501
    kept = mass > 0
    line = (confidence[kept] / mass[kept], right[kept] / mass[kept], (0.13, 0.13, 0.13, 1.0))
    return _plot("Calibration", "confidence", "share called right", [line], diagonal=True, dots=True)


Line = tuple[NDArray[np.float64], NDArray[np.float64], Colour]


def _plot(title: str, x: str, y: str, lines: Sequence[Line], *, diagonal: bool = False, dots: bool = False) -> str:
    """Curves in the unit square as SVG."""
    parts = ['<rect x="40" y="10" width="240" height="240" fill="none" stroke="#bbb"/>']
    if diagonal:
        parts.append('<path d="M40 250L280 10" stroke="#ccc" stroke-dasharray="4"/>')
    for xs, ys, colour in lines:
        known = np.isfinite(xs) & np.isfinite(ys)
        points = [(40 + 240 * a, 250 - 240 * b) for a, b in zip(xs[known], ys[known], strict=True)]
        shade = "#" + "".join(f"{round(255 * c):02x}" for c in colour[:3])
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{shade}" stroke-width="2"/>')
        if dots:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{shade}"/>' for a, b in points]
    parts += [f'<text x="160" y="280" text-anchor="middle">{x}</text>',
              f'<text x="14" y="130" text-anchor="middle" transform="rotate(-90 14 130)">{y}</text>',
              '<text x="36" y="254" text-anchor="end">0</text><text x="36" y="20" text-anchor="end">1</text>',
              '<text x="280" y="266" text-anchor="middle">1</text>']  # fmt: skip
    return f'<figure><svg viewBox="0 0 290 290">{"".join(parts)}</svg><figcaption>{title}</figcaption></figure>'


def _gallery(evaluation: Evaluation) -> str:
    wrong = evaluation.mistakes()
    if not wrong:
        return "<p>None.</p>"
    names, called = evaluation.answers.names, evaluation.answers.called
    confidence = evaluation.answers.probabilities.max(axis=1)
    figures = []
    for place in wrong[:_MOST_MISTAKES]:
        example = evaluation.examples[place]
        words = (
            f"{html.escape(Path(example.name).name)}{f' [{example.plane}]' if len(example.image) > 1 else ''}: "
            f"{html.escape(names[int(evaluation.answers.targets[place])])}, called "
            f"<b>{html.escape(names[int(called[place])])}</b> ({confidence[place]:.0%})"
        )
        figures.append(f'<figure><img src="{_thumbnail(example)}" alt=""><figcaption>{words}</figcaption></figure>')
    more = f"<p>and {len(wrong) - _MOST_MISTAKES} more</p>" if len(wrong) > _MOST_MISTAKES else ""
    return f'<p>{len(wrong)} of {len(called)}, the surest first.</p><div class="gallery">{"".join(figures)}</div>{more}'


def _thumbnail(example: Any) -> str:
    import imageio.v3 as iio

    values = example.image.plane(example.plane)
    step = max(1, max(values.shape) // _THUMBNAIL_PX)
    buffer = io.BytesIO()
    iio.imwrite(buffer, grey_picture(values[::step, ::step]), extension=".jpg", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
.row,.gallery{display:flex;gap:12px;flex-wrap:wrap}figure{margin:0;flex:1 1 260px;max-width:340px}
.gallery figure{flex:0 0 200px}img{width:100%;border-radius:4px}figcaption{font-size:13px;color:#555}
svg text{font-size:12px;fill:#555}table{border-collapse:collapse;margin:1em 0}
td,th{padding:.25em .9em;border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}
pre{background:#f5f5f5;padding:1em;overflow:auto}.small{color:#888;font-size:13px}"""
