"""Files and report of the demo."""

from __future__ import annotations

import html
import json
from pathlib import Path

from napari_visualccc._version import __version__
from napari_visualccc.demo.chapter import Chapter


def write_chapter(chapter: Chapter, output: Path) -> tuple[list[Path], str]:
    """Write sample, results, tables and pictures; give their paths and the chapter as HTML."""
    import imageio.v3 as iio

    from napari_visualccc.io import write_csv, write_result, write_tiff

    stem = chapter.sample.name.replace(" ", "_")
    sample = chapter.sample
    files = [write_tiff(output / f"{stem}.ome.tif", sample.image, sample.axes)]
    files.append(write_csv(output / f"{stem}_truth.csv", sample.table))
    files += write_result(chapter.result, output, stem, sample.axes)
    names = []
    for title, picture in chapter.pictures.items():
        path = output / f"{stem}_{title.replace(' ', '_')}.png"
        iio.imwrite(path, picture)
        files.append(path)
        names.append(path.name)
    return files, _section(chapter, names)


def _section(chapter: Chapter, names: list[str]) -> str:
    images = "".join(
        f'<figure><img src="{name}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'
        for name, caption in zip(names, chapter.pictures, strict=True)
    )
    rows = "".join(
        f"<tr><td>{html.escape(one.what)}</td><td>{one.measured:.4f}</td><td>{one.true:.4f}</td></tr>"
        for one in chapter.measured
    )
    steps = "".join(f"<li><code>{html.escape(step)}</code></li>" for step in chapter.recipe)
    recipe = f"<ol>{steps}</ol>" if steps else ""
    table = chapter.table.to_html(index=False, float_format=lambda value: f"{value:.5g}", border=0)
    record = html.escape(json.dumps(chapter.result.provenance.as_dict(), indent=2))
    return f"""<section><h2>{html.escape(chapter.title)}</h2><p>{html.escape(chapter.text)}</p>{recipe}
<div class="row">{images}</div>
<table><tr><th></th><th>measured</th><th>true</th></tr>{rows}</table>
<h3>{html.escape(chapter.heading)}</h3>{table}
<details><summary>How was this made?</summary><pre>{record}</pre></details></section>"""


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
.row{display:flex;gap:12px;flex-wrap:wrap}figure{margin:0;flex:1 1 300px}img{width:100%;border-radius:4px}
figcaption{font-size:14px;color:#666}table{border-collapse:collapse;margin:1em 0}
td,th{padding:.25em .9em;border-bottom:1px solid #ddd;text-align:right}td:first-child{text-align:left}
pre{background:#f5f5f5;padding:1em;overflow:auto}"""


def page(sections: list[str], seconds: float) -> str:
    """The whole report."""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>napari-visualccc demo</title>
<style>{_STYLE}</style></head><body><h1>napari-visualccc demo</h1>
<p>Simulated micrographs with known truth: clustered without labels, segmented from a few, processed by a recipe of
steps, their crystals told apart by lattice spacings and angles, a series of films laid out by likeness.
Version {__version__}, {seconds:.1f} s.</p>
{"".join(sections)}</body></html>"""
