"""Wrong calls of functions of trees, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
from wrong_calls import each_row, ones, refuses

from fcnn import tree

TREE = {"b": ones(1), "w": ones(2)}
ROUND = []
ROUND.append(ROUND)

WRONG_CALLS = [
    ("trees of other keys",
     lambda: tree.map(np.add, TREE, {"w": ones(2), "c": ones(1)}), ValueError,
     "tree.map: the trees differ at ['b']: a leaf against nothing"),
    ("a list for a dict", lambda: tree.map(np.add, TREE, [ones(1), ones(2)]), ValueError,
     "tree.map: the trees differ at the root: a dict of 2 against a list of 2"),
    ("a leaf for a tree", lambda: tree.map(np.add, TREE, ones(2)), ValueError,
     "tree.map: the trees differ at the root: a dict of 2 against a leaf"),
    ("a longer tuple", lambda: tree.map(np.add, (1, 2), (1, 2, 3)), ValueError,
     "tree.map: the trees differ at [2]: nothing against a leaf"),
    ("None for a leaf", lambda: tree.map_with_path(print, (1, (2, 3)), (1, (2, None))), ValueError,
     "tree.map_with_path: the trees differ at [1][1]: a leaf against None"),
    ("no function to map", lambda: tree.map(None, TREE), TypeError,
     "tree.map: f is None, expected a function"),
    ("keys without order", lambda: tree.leaves({1: 2, "a": 3}), TypeError,
     "tree: the keys of a dict have no order: [1, 'a']"),
    ("a node that holds itself", lambda: tree.leaves(ROUND), ValueError,
     "tree: it is too deep, or a node of it holds itself"),
    ("nothing to reduce", lambda: tree.reduce(max, ()), ValueError,
     "tree.reduce: the tree has no leaves, and there is no initializer"),
    ("no function to reduce by", lambda: tree.reduce("max", TREE), TypeError,
     "tree.reduce: f is a str, expected a function"),
    ("an array for a truth value", lambda: tree.all((np.array([True, False]),)), ValueError,
     "tree.all: [0] is an ndarray, expected one truth value"),
    ("too few leaves", lambda: tree.unflatten(tree.structure(TREE), [1]), ValueError,
     "tree.unflatten: 1 leaves for 2 places"),
    ("too many leaves", lambda: tree.unflatten(tree.structure(TREE), [1, 2, 3]), ValueError,
     "tree.unflatten: 3 leaves for 2 places"),
    ("a tree for a structure", lambda: tree.unflatten(TREE, [1, 2]), TypeError,
     "tree.unflatten: structure is a dict, expected a Structure"),
    ("an array for leaves", lambda: tree.unflatten(tree.structure(TREE), ones(2)), TypeError,
     "tree.unflatten: leaves is an ndarray, expected a list of leaves"),
    ("a set of leaves", lambda: tree.unflatten(tree.structure(TREE), {1, 2}), TypeError,
     "tree.unflatten: leaves is a set, expected a list of leaves"),
    ("texts that are close", lambda: tree.allclose(("a",), ("a",)), TypeError,
     "tree.allclose: [0] is not an array of numbers"),
    ("trees of other structures that are close", lambda: tree.allclose(TREE, (1,)), ValueError,
     "tree.allclose: the trees differ at the root: a dict of 2 against a tuple of 1"),
    ("a negative tolerance", lambda: tree.allclose(TREE, TREE, rtol=-1), ValueError,
     "tree.allclose: rtol is -1.0, expected finite and at least 0"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)
