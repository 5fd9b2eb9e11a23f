"""Many cases in subprocesses, so that a crash or an endless fit is noticed."""

import argparse
import collections
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import fuzz.streams  # noqa: F401 (registers its checks)
from fuzz.cases import case_seed, draw
from fuzz.checks import Failure, Outcome, run, run_seed
from fuzz.shrink import program, shrink

# Cases of one subprocess: memory that is lost piles up to no more than that.
BATCH = 500
LISTED = 5
# Takes the first seed and the number of cases; see `work`.
WORKER = (sys.executable, "-X", "faulthandler", "-m", "fuzz", "--work")


def work(first: int, count: int, only: str) -> None:
    """Run cases with these seeds; a line for each goes to stdout."""
    logging.getLogger("sklgd").addHandler(logging.NullHandler())
    for seed in range(first, first + count):
        print(json.dumps({"seed": seed, **asdict(run_seed(seed, only))}), flush=True)


def run_in_subprocess(
    first: int,
    count: int,
    timeout: float,
    worker: Sequence[str] = WORKER,
    only: str = "",
) -> Iterator[tuple[int, Outcome]]:
    """Seeds of cases and what became of them; a crash or a time-out is a failure."""
    end = first + count
    while first < end:
        process = subprocess.Popen(
            [*worker, str(first), str(end - first), *filter(None, [only])],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None
        buffer, errors, failure = b"", b"", None
        streams = [process.stdout, process.stderr]
        while streams:
            ready = select.select(streams, [], [], timeout)[0]
            if not ready:
                process.kill()
                failure = Failure("time", "A case takes a bounded time.",
                                  f"no end within {timeout:g} seconds")  # fmt: skip
                break
            for stream in ready:
                piece = os.read(stream.fileno(), 65536)
                if not piece:
                    streams.remove(stream)
                elif stream is process.stderr:
                    errors += piece
                else:
                    buffer += piece
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                record = json.loads(line)
                if "seed" in record:
                    failures = [Failure(**f) for f in record["failures"]]
                    yield (
                        record["seed"],
                        Outcome(failures, record["refusal"], record["fits"]),
                    )
                    first = record["seed"] + 1
        code = process.wait()
        process.stdout.close()
        process.stderr.close()
        if failure is None and code != 0:
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            text = errors.decode(errors="replace").strip()
            failure = Failure(
                "crash", "No input ends the interpreter.", f"{name}\n{text}"
            )
        if failure is not None and first < end:
            yield first, Outcome([failure])
            first += 1


@dataclass
class Report:
    """What became of all cases so far."""

    cases: int = 0
    fits: int = 0
    refused: int = 0
    failures: dict[str, list[tuple[int, Failure]]] = field(
        default_factory=lambda: collections.defaultdict(list)
    )

    def add(self, seed: int, outcome: Outcome) -> None:
        """Count a case."""
        self.cases += 1
        self.fits += outcome.fits
        self.refused += outcome.refusal is not None
        for failure in outcome.failures:
            self.failures[failure.check].append((seed, failure))

    def show(self, seconds: float) -> None:
        """Print all that failed, and how much was done."""
        for name, found in self.failures.items():
            print(f"\n{name}: {len(found)} cases. {found[0][1].promise}")
            for seed, failure in found[:LISTED]:
                print(f"  --case {seed}: {failure.message}")
            if len(found) > LISTED:
                print(f"  and {', '.join(str(seed) for seed, _ in found[LISTED:])}")
        print(
            f"\n{self.cases} cases ({self.refused} refused with a ValueError), "
            f"{self.fits} fits in {seconds:.0f} s, "
            f"{sum(map(len, self.failures.values()))} failures"
        )


def run_many(number: int, seed: int, timeout: float, only: str) -> int:
    """Run so many cases; the exit status is 1 if one fails."""
    report, start = Report(), time.monotonic()
    for first in range(0, number, BATCH):
        count = min(BATCH, number - first)
        first_seed = case_seed(seed, first)
        for one, outcome in run_in_subprocess(first_seed, count, timeout, only=only):
            report.add(one, outcome)
            for failure in outcome.failures:
                print(f"case {one}: {failure.check}: {failure.message}", flush=True)
    report.show(time.monotonic() - start)
    return 1 if report.failures else 0


def run_one(seed: int, seconds: float, only: str) -> int:
    """Run one case, make it smaller if it fails, and print it as a program."""
    logging.getLogger("sklgd").addHandler(logging.NullHandler())
    case = draw(seed)
    outcome = run(case, only)
    if outcome.refusal is not None:
        print(f"refused: {outcome.refusal}")
    if not outcome.failures:
        print(program(case))
        print(f"\nThe case passes ({outcome.fits} fits).")
        return 0
    for failure in outcome.failures:
        print(f"\n# {failure.promise}\n# {failure.check}: {failure.message}")
        small = shrink(case, failure.check, seconds, only)
        for other in run(small, only).failures:
            if other.check == failure.check:
                print(f"# smaller: {other.message}")
        print(program(small), flush=True)
    return 1


def main(arguments: list[str] | None = None) -> int:
    """The command ``.ci/fuzz``."""
    parser = argparse.ArgumentParser(
        prog=".ci/fuzz",
        description="Fits random estimators to random data and checks what is promised "
        "of every fit. Each case is drawn again from its seed.",
    )
    for name, kind, default, metavar, text in (
        ("--fits", int, 1000, "N", "number of cases, each of some fits"),
        ("--seed", int, 0, "S", "seed of the run"),
        ("--case", int, None, "SEED", "only this case, made as small as it can be"),
        ("--timeout", float, 60.0, "SECONDS", "time for a case"),
        ("--only", str, "", "NAME", "the checks with this in their names, always"),
    ):
        text += "" if default in (None, "") else f" (default: {default})"
        parser.add_argument(
            name, type=kind, default=default, metavar=metavar, help=text
        )
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options: Any = parser.parse_args(arguments)
    if options.work is not None:
        first, count, *only = options.work
        work(int(first), int(count), *only or [""])
        return 0
    if options.case is not None:
        return run_one(options.case, options.timeout, options.only)
    return run_many(options.fits, options.seed, options.timeout, options.only)
