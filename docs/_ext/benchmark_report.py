"""A page with the benchmark suite's report: benchmarks/report.py on benchmarks.json.

The JSON file is what ``python benchmarks/run.py`` wrote; tables and plots are made anew
by every build.
"""

import importlib.util
from pathlib import Path


def make(app):
    docs = Path(app.srcdir)
    path = docs.parent / "benchmarks" / "report.py"
    spec = importlib.util.spec_from_file_location("benchmarks_report", path)
    report = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(report)
    folder = docs / "benchmark_report"
    folder.mkdir(exist_ok=True)
    results = report.Results(docs / "benchmarks.json")
    text = report.report(results, report.draw(results, folder))
    (folder / "index.md").write_text(text, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
