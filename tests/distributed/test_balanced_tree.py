"""The order in which shards are summed is a function of their number alone."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnn.distributed.balanced_tree import Node, added, shards, sum_of_processes, sum_of_shards


def test_shards_depend_on_the_size_of_the_batch_alone():
    for n in range(1, 100):
        parts = shards(n, 32)
        sizes = [part.stop - part.start for part in parts]
        assert sum(sizes) == n
        assert len(parts) == -(-n // 32)
        assert max(sizes) - min(sizes) <= 1


def written_out(node):
    """The sum of a node, in brackets."""
    if node.halves is None:
        return str(node.shards.start)
    left, right = node.halves
    return f"({written_out(left)}+{written_out(right)})"


@pytest.mark.parametrize(
    ("shards", "expected"),
    [
        (1, "0"),
        (2, "(0+1)"),
        (3, "(0+(1+2))"),
        (4, "((0+1)+(2+3))"),
        (7, "((0+(1+2))+((3+4)+(5+6)))"),
    ],
)
def test_the_tree_of_few_shards(shards, expected):
    assert written_out(Node(range(shards))) == expected
    assert written_out(Node(range(shards), range(5))) == expected


@given(st.integers(1, 60), st.integers(1, 70))
def test_each_shard_is_dealt_to_one_process_in_order(shards, ranks):
    tree = Node(range(shards), range(ranks))
    own = [tree.of_rank(rank) for rank in range(ranks)]
    dealt = [shard for node in own if node is not None for shard in node.shards]
    assert dealt == [*range(shards)]
    assert own[0] is not None
    if ranks >= shards:
        assert all(node is None or len(node.shards) == 1 for node in own)


def test_seven_shards_on_three_processes():
    tree = Node(range(7), range(3))
    assert [[*tree.of_rank(rank).shards] for rank in range(3)] == [[0, 1, 2], [3, 4], [5, 6]]


@given(st.integers(1, 40), st.integers(1, 45), st.integers(0, 2**32))
def test_the_bits_are_the_same_for_any_number_of_processes(shards, ranks, seed):
    rng = np.random.default_rng(seed)
    values = [[rng.standard_normal(3), np.array(rng.standard_normal())] for _ in range(shards)]
    kept = [[array.copy() for array in arrays] for arrays in values]
    one = sum_of_shards(Node(range(shards)), values.__getitem__)
    tree = Node(range(shards), range(ranks))
    own = {rank: tree.of_rank(rank) for rank in range(ranks)}
    sums = {r: sum_of_shards(n, values.__getitem__) for r, n in own.items() if n is not None}
    many = sum_of_processes(tree, sums.__getitem__)
    assert [a.tobytes() for a in one] == [a.tobytes() for a in many]
    assert all(map(np.array_equal, chain(*values), chain(*kept)))  # left as they were


def test_sums_of_numbers_without_axes_are_arrays():
    (total,) = added([np.array(1.0)], [np.array(2.0)])
    assert isinstance(total, np.ndarray)
    assert total == 3
