"""The benchmark suite: problems x libraries, one command, one JSON file.

    python benchmarks/run.py                 # all, an hour
    python benchmarks/run.py --quick         # smaller data, some six minutes
    python benchmarks/run.py --only epochs memory --libraries sklgd sklearn

Each part runs in a process of its own, one thread unless threads are measured.
`python benchmarks/report.py results.json` then makes tables and plots. The parts:

epochs     time per epoch of single-row steps, dense and CSR, float64 and float32
minibatch  time per epoch of Adam and SGD on mini-batches, beside MLP* and PyTorch
gap        objective gap against time
memory     peak memory of a fit over its data
threads    n_jobs 1, 2, ..., and whether the bits are the same
busy       n_jobs 1 and 2 beside other processes
growth     epochs and default fits against rows, features, entries and classes
text       whole fits to text, hashed and not, and the gaps that they report
overhead   small fits and predictions, imports
machinery  what callbacks, log lines and the history cost where they are not used

Real data come from the folder SKLGD_DATA (see problems.py), if it is set.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from measurements import PARTS, Options
from timing import CLOCKS, environment, use_clock

HERE = Path(__file__).resolve().parent
# Parts that measure several threads.
THREADED = {"threads", "busy"}


# -------------------------------------------------------------------- in the child


def run_parts(parts, options, path, clock):
    """Run parts in this process; a JSON object on each line of the file."""
    import importlib
    import warnings

    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore")
    with open(path, "w") as file, threadpool_limits(1, user_api="blas"):
        for part in parts:
            use_clock("wall" if part in THREADED else clock)
            module = importlib.import_module(f"measurements.{part}")
            for record in module.run(options):
                file.write(json.dumps({"part": part, **record}, default=float) + "\n")
                file.flush()


def describe_machine(options, clock):
    """Versions, machine and commit; what is not installed and why."""
    import numpy
    import scipy
    import threadpoolctl

    import libraries

    _, versions, missing = libraries.available(options.libraries)
    blas = [
        f"{found['internal_api']} {found['version']}"
        for found in threadpoolctl.threadpool_info()
        if found["user_api"] == "blas"
    ]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {
            **versions,
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
        },
        "blas": sorted(set(blas)),
        "isa": isa(),
        "commit": commit(),
        "load_average": load_average(),
        "missing": missing,
        "level": options.level,
        "clock": clock,
    }


def isa():
    """The instruction set that sklgd's kernels chose, where they tell."""
    try:
        import sklgd.kernels

        return getattr(sklgd.kernels, "isa", None)
    except ImportError:
        return None


def cpu_name():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit():
    """Commit of the checkout that this file is in, with + if it was changed."""
    git = ["git", "-C", os.fspath(HERE), "describe", "--always", "--dirty=+"]
    done = subprocess.run(git, capture_output=True, text=True)
    return done.stdout.strip() or None


def cpu_seconds():
    """Processor seconds of all children so far."""
    return os.times().children_user + os.times().children_system


def load_average():
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


# ------------------------------------------------------------------- in the parent


def start(parts, arguments, path, openmp_threads=1):
    """Run parts in a process of their own; True if it came to its end."""
    command = [sys.executable, os.fspath(HERE / "run.py"), "--parts", *parts]
    command += ["--part-output", os.fspath(path), *arguments]
    return subprocess.run(command, env=environment(openmp_threads)).returncode == 0


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller data, fewer runs")
    parser.add_argument(
        "--smoke", action="store_true", help="tiny data: does everything run?"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--libraries", nargs="+", help="names of libraries/bench_NAME.py; default all"
    )
    parser.add_argument(
        "--output", type=Path, default=HERE / "results", help="folder of results.json"
    )
    parser.add_argument(
        "--clock",
        choices=list(CLOCKS),
        default="wall",
        help="cpu: processor time, for a machine with other work",
    )
    parser.add_argument("--parts", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--part-output", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    given = parse()
    level = "smoke" if given.smoke else "quick" if given.quick else "full"
    if given.smoke and given.libraries is None:
        given.libraries = ["sklgd", "sklearn"]
    libraries = tuple(given.libraries) if given.libraries else None
    options = Options(level, libraries)
    if given.parts == ["machine"]:
        Path(given.part_output).write_text(
            json.dumps(describe_machine(options, given.clock))
        )
        return 0
    if given.parts:
        run_parts(given.parts, options, given.part_output, given.clock)
        return 0

    arguments = ["--clock", given.clock]
    if level != "full":
        arguments.append(f"--{level}")
    if libraries:
        arguments += ["--libraries", *libraries]
    given.output.mkdir(parents=True, exist_ok=True)
    scratch = given.output / "part.jsonl"
    if not start(["machine"], arguments, scratch):
        return 1
    machine = json.loads(scratch.read_text())
    results = {"machine": machine, "seconds": {}, "cpu_seconds": {}, "records": []}
    for library, reason in machine["missing"].items():
        print(f"{library} is left out: {reason}")
    if "sklgd" in machine["missing"]:
        return 1
    failed = []
    path = given.output / "results.json"
    # Small data need no processes of their own.
    groups = [given.only] if level == "smoke" else [[part] for part in given.only]
    for parts in groups:
        name = " ".join(parts)
        print(name, flush=True)
        began, cpu = time.monotonic(), cpu_seconds()
        threads = max(2, os.cpu_count() or 1) if THREADED & set(parts) else 1
        if not start(parts, arguments, scratch, threads):
            failed.append(name)
        results["seconds"][name] = round(time.monotonic() - began, 1)
        results["cpu_seconds"][name] = round(cpu_seconds() - cpu, 1)
        if scratch.exists():
            lines = scratch.read_text().splitlines()
            results["records"] += [json.loads(line) for line in lines]
            scratch.unlink()
        results["machine"]["load_average_at_end"] = load_average()
        path.write_text(json.dumps(results, indent=1))
    print(
        f"{path}: {sum(results['seconds'].values()):.0f} s, "
        f"{sum(results['cpu_seconds'].values()):.0f} s of the processor"
    )
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
