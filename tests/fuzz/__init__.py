"""Random fits of any parameters on any data, and what must hold for each of them.

`cases` draws a case from a seed, `objective` evaluates the objective without sklgd,
`checks` holds what is promised, one function each, `shrink` makes a failing case small,
and `run` goes through many cases in subprocesses (the command ``.ci/fuzz``).
"""
