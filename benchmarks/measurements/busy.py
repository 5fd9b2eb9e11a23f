"""Threads beside other processes: n_jobs 1 and 2 on an idle and on a busy machine.

While none, or two, other processes compute without a pause; see benchmarks/threads.py.
"""

import threads


def run(options):
    n_fits, n_rows = options.pick(15, 5, 1), options.pick(40_000, 40_000, 500)
    for busy in (0, 2):
        found = []
        threads.measure(busy, n_fits, lambda *row, to=found: to.append(row), n_rows)
        for name, one, two in found:
            threads.print_row(f"{busy} others: {name}", one, two)
            yield {"library": name, "busy": busy, "ms": {"1": one, "2": two}}
