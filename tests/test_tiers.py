"""The fast tier: what ``-m "not exhaustive"`` keeps of a test with many cases."""

import itertools

from conftest import covering_ids


def split(name):
    return name.split("-")


GRID = [
    "-".join(case)
    for case in itertools.product(
        ["sgd", "adam", "ftrl"], ["l1", "l2", "none"], ["dense", "csr"], ["1", "7"]
    )
]


def test_every_value_of_every_parameter_is_kept():
    values = set(itertools.chain.from_iterable(map(enumerate, map(split, GRID))))
    kept = map(enumerate, map(split, covering_ids(GRID)))
    assert set(itertools.chain.from_iterable(kept)) == values


def test_most_cases_of_a_large_grid_are_left_out():
    assert len(covering_ids(GRID)) < len(GRID) / 3


def test_the_order_in_which_cases_are_collected_does_not_matter():
    assert covering_ids(GRID) == covering_ids(GRID[::-1])


def test_no_case_is_kept_whose_values_are_those_of_others():
    # The largest parameter alone has as many values.
    assert len(covering_ids(GRID)) <= 4
