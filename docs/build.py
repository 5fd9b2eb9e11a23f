"""Build the documentation: run what its pages say, then make the site.

    python -m pip install ".[docs]"
    python docs/build.py

The examples of all pages and docstrings run as tests first (tests/test_docs.py), then
Sphinx runs the pictures of the pages and the gallery. Every warning is an error. The
site is docs/_build/html/index.html.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SITE = DOCS / "_build" / "html"
# Made by the build inside docs/, where Sphinx looks for pages.
GENERATED = [
    "_build",
    "api/backreferences",
    "api/generated",
    "auto_examples",
    "benchmark_report",
]


def run(*command):
    print("$", *command, flush=True)
    environment = {"MPLBACKEND": "Agg", **os.environ}
    return subprocess.run(command, cwd=DOCS.parent, env=environment).returncode


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clean", action="store_true", help="build from nothing")
    parser.add_argument("--no-tests", action="store_true", help="only make the site")
    given = parser.parse_args()
    if given.clean:
        for name in GENERATED:
            shutil.rmtree(DOCS / name, ignore_errors=True)
    strict = ["-W", "--keep-going", "-q"]
    steps = [
        [sys.executable, "-m", "pytest", "-q", "tests/test_docs.py"],
        [sys.executable, "-m", "sphinx", *strict, "-b", "html", "docs", str(SITE)],
    ]
    failed = [run(*step) for step in steps[given.no_tests :]]
    if not any(failed):
        print(f"The site is {SITE / 'index.html'}")
    return any(failed)


if __name__ == "__main__":
    sys.exit(main())
