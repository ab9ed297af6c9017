"""How much is tried: a tenth of what is heavy, or with `pytest --full`, all of it.

Tests that ask this are marked `heavy`, so that they can be run alone.
"""

full = False


def some(cases):
    """All of a list of cases, or every tenth, from the first on."""
    cases = list(cases)
    return cases if full else cases[::10]


def times(count):
    """A number of repetitions, or a tenth of it, at least one."""
    return count if full else max(1, count // 10)
