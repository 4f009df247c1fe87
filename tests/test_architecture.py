"""The rules of docs/architecture.md that import-linter cannot express."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "napari_visualccc"
MODULES = sorted(SOURCE.rglob("*.py"))
HEAVY = {
    "torch",
    "torchvision",
    "umap",
    "captum",
    "sklearn",
    "skimage",
    "rsciio",
    "distributed",
    "zarr",
    "h5py",
    "imageio",
}
VIEWER = {"qtpy", "magicgui", "napari", "pyqtgraph", "superqt"}
MOST_LINES = 320


def names(path):
    return str(path.relative_to(SOURCE))


def imports_at_import_time(tree):
    """Packages imported by statements that run when the module is imported."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_heavy_packages_are_imported_where_they_compute(path):
    if "nn" in path.parts:
        return
    found = {name.split(".")[0] for name in imports_at_import_time(ast.parse(path.read_text(encoding="utf-8")))}
    assert not found & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_the_viewer_is_known_to_widgets_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.relative_to(SOURCE).parts[0] == "widgets":
        return
    found = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not found & VIEWER


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_a_module_answers_one_question(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_threads_are_started_in_two_places(path):
    allowed = {Path("core/runtime.py"), Path("widgets/_jobs.py")}
    if path.relative_to(SOURCE) not in allowed:
        text = path.read_text(encoding="utf-8")
        assert "import threading" not in text
        assert "QThread(" not in text
        assert "ThreadPoolExecutor(" not in text


BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise AssertionError("imported " + name)

sys.meta_path.insert(0, Refuse())
import {module}
"""


@pytest.mark.parametrize(
    "module",
    [
        "napari_visualccc",
        "napari_visualccc.cli",
        "napari_visualccc.cluster.options",
        "napari_visualccc.layers",
        "napari_visualccc.maps.options",
        "napari_visualccc.processing.preview",
    ],
)
def test_a_fresh_interpreter_imports_nothing_heavy(module):
    code = BLOCKED.format(blocked=HEAVY | VIEWER | {"pandas"}, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
