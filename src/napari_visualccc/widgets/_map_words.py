"""What the Map widget says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_visualccc.maps import MicrographMap
    from napari_visualccc.widgets._map_jobs import Answer

_CHANCE = 0.05
_LISTED = 3


def quality_words(made: MicrographMap) -> str:
    """How far the map can be trusted."""
    quality = made.quality
    count = f"{Path(made.provenance.input_name).name}: {len(made)} micrograph{'s' if len(made) != 1 else ''}"
    if math.isnan(quality.preservation):
        return f"{count}: too few for a layout that says anything."
    return (
        f"{count}. Of each one's {quality.neighbours} nearest, {quality.preservation:.0%} are neighbours on the map "
        f"too (trustworthiness {quality.trustworthiness:.2f})."
    )


def problem_words(made: MicrographMap) -> str:
    """What was left out or looks odd, in a few words; details go into the tooltip."""
    duplicates = int((made.entries["duplicate_of"] != "").sum())
    said = [
        (len(made.problems), "could not be read"), (duplicates, "have the same pixels as another"),
        (len(made.unmatched.get("images", [])), "have no row in the table"),
    ]  # fmt: skip
    rows = len(made.unmatched.get("rows", []))
    words = [f"{count} {what}" for count, what in said if count]
    words += [f"{rows} rows of the table belong to none"] if rows else []
    return "; ".join(words)


def problem_details(made: MicrographMap) -> str:
    """All that was left out, for a tooltip."""
    lines = list(made.problems)
    duplicates = made.entries[made.entries["duplicate_of"] != ""]
    lines += [f"{a} = {b}" for a, b in zip(duplicates["name"], duplicates["duplicate_of"], strict=True)]
    for key, what in (("images", "no row"), ("rows", "no micrograph"), ("repeated", "several rows")):
        names = made.unmatched.get(key, [])
        lines += [f"{what}: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}"] if names else []
    return "\n".join(lines[:40])


def answer_words(answer: Answer) -> str:
    """The statistics of a property as a short text."""
    result = answer.result
    best = max(result.spearman, result.knn_spearman)
    if math.isnan(result.p_value):
        verdict = f"Rank correlation {best:.2f} (not tested against chance)."
    elif result.p_value > _CHANCE:
        verdict = f"No better than chance: rank correlation {best:.2f}, p = {result.p_value:.2g}."
    else:
        verdict = f"Predicted with rank correlation {best:.2f}, p = {result.p_value:.2g}."
    group = result.group_column if result.group_column.startswith("none") else f"column '{result.group_column}'"
    lines = [
        verdict,
        f"R² {result.ridge_r2:.2f} (ridge), {result.knn_r2:.2f} (neighbours), {result.map_knn_r2:.2f} (on the map); "
        f"pixel size, brightness and contrast alone {result.acquisition_r2:.2f}.",
        f"{result.n} micrographs in {result.groups} groups ({group}), each held out in turn.",
    ]
    lines += [f"⚠ {note[:1].upper()}{note[1:]}." for note in result.notes]
    if result.strange:
        shown = ", ".join(result.strange[:_LISTED])
        lines.append(f"⚠ Left out, no numbers: {shown}{' …' if len(result.strange) > _LISTED else ''}")
    lines += [
        f"Cluster {row.cluster}: {row.mean:.4g} ({row.low:.4g} … {row.high:.4g}), n = {row.n}"
        for row in answer.clusters.itertuples()
    ]
    return "\n".join(lines)
