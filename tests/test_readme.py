"""What README says is so."""

import doctest
import re
from pathlib import Path

import pytest

from napari_visualccc.cli import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def test_the_python_example_runs():
    test = doctest.DocTestParser().get_doctest(README, {}, "README.md", "README.md", 0)
    assert test.examples
    outcome = doctest.DocTestRunner().run(test)
    assert outcome.failed == 0


def test_the_command_lines_parse():
    lines = re.findall(r"^visualccc (.+)$", README, re.MULTILINE)
    assert lines
    for line in lines:
        build_parser().parse_args(line.split("#")[0].split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_tox_environments_exist():
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    for name in re.findall(r"tox run -e (\w+)", README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        assert f"[testenv:{name}]" in tox
