"""Run every benchmark, or those named: ``python benchmarks/run.py [kmeans import …]``; fails if a target is missed.

`segment` and `encoders` train on all data sets for more than an hour, `robustness` and `spots` for some minutes: they
run only when named.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LONG = ("encoders", "robustness", "segment", "spots")


def main() -> int:
    every = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    wanted = sys.argv[1:] or [name for name in every if name not in LONG]
    failed = [
        name for name in wanted if subprocess.run([sys.executable, HERE / f"bench_{name}.py"], check=False).returncode
    ]
    if failed:
        sys.stderr.write(f"targets missed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
