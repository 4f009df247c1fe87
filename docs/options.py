"""Write the tables of options into the user guide, from the declarations that also make the widgets and the flags.

A page holds a pair of markers; what stands between them is replaced::

    <!-- options napari_visualccc.cluster.options:ClusterOptions -->
    <!-- end -->
    <!-- steps Denoise -->
    <!-- end -->

`python docs/options.py` writes, `python docs/options.py --check` only tells whether a page is out of date.
"""

import importlib
import re
import sys
from pathlib import Path

from napari_visualccc.core.params import markdown_table
from napari_visualccc.processing.registry import groups

STEPS = re.compile(r"(<!-- steps ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
MARKED = re.compile(r"(<!-- options (\S+):(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """Page with its tables brought up to date."""

    def table(match: re.Match[str]) -> str:
        opening, module, name, closing = match.groups()
        return f"{opening}{markdown_table(getattr(importlib.import_module(module), name))}\n{closing}"

    def steps(match: re.Match[str]) -> str:
        opening, group, closing = match.groups()
        parts = [
            f"**{step.title}** · `{step.name}`. {step.help}\n\n{markdown_table(step.options, key=True)}\n"
            for step in groups()[group]
        ]
        return opening + "\n".join(parts) + closing

    return STEPS.sub(steps, MARKED.sub(table, text))


def main() -> int:
    """Write or check all pages."""
    stale = []
    for page in sorted(Path(__file__).parent.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if fill(text) != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(fill(text), encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run python docs/options.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
