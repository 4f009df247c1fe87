"""Every example runs, in a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

# Long enough to see it run, too short to learn much.
ARGUMENTS = {"segment_and_measure": ["segmented", "0.1"]}
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    command = [sys.executable, path, *ARGUMENTS.get(path.stem, [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.*"))
