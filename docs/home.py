"""Hook of mkdocs: README as the home page, with links that lead to pages and files of this site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
# What README links to that is no page.
_FILES = ("LICENSE", "NOTICE", "LICENSES/Apache-2.0.txt", "CITATION.cff")


def on_files(files: Files, *, config: Any) -> Files:
    """Take licences along."""
    for name in _FILES:
        files.append(File.generated(config, name, abs_src_path=str(_ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """README lies beside the folder of the pages, the home page in it."""
    if page.file.src_uri != "index.md":
        return markdown
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    return text.replace("](docs/", "](").replace("](CHANGELOG.md", "](changelog.md")
