"""Laws of trees, tried on drawn ones; see conftest.py for how many."""

import builtins
import functools

import numpy as np
import pytest
import strategies as some
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import arrays, trees

from fcnn import tree

OBJECTS = st.builds(object)  # leaves that equal nothing but themselves
NUMBERS = st.integers(-100, 100)


def same(a, b):
    """Whether the trees have one structure and the leaves are the very same objects."""
    one, other = tree.leaves(a), tree.leaves(b)
    return tree.structure(a) == tree.structure(b) and [*map(id, one)] == [*map(id, other)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("trees") / "tree.npz"


# Taking apart and putting together


@given(trees(OBJECTS))
def test_unflatten_takes_flatten_back(t):
    leaves, structure = tree.flatten(t)
    again = tree.unflatten(structure, leaves)
    assert same(again, t)
    assert type(again) is type(t)
    assert structure == tree.structure(again)
    assert hash(structure) == hash(tree.structure(again))
    assert structure.size() == len(leaves) == len(structure.paths())


@given(trees(OBJECTS), st.integers(-3, 3).filter(bool))
def test_unflatten_refuses_other_counts_of_leaves(t, more):
    leaves, structure = tree.flatten(t)
    wrong = leaves[:more] if more < 0 else leaves + [object()] * more
    assume(len(wrong) != len(leaves))
    with pytest.raises(ValueError, match=f"{len(wrong)} leaves for {len(leaves)} places"):
        tree.unflatten(structure, wrong)


@given(trees(OBJECTS))
def test_a_path_names_its_place_as_python_would(t):
    for place, leaf in tree.leaves_with_path(t):
        assert eval(f"t{place}", {"t": t}) is leaf


@given(
    st.sampled_from(some.KEYS).flatmap(lambda keys: st.dictionaries(keys, OBJECTS)), st.randoms()
)
def test_the_order_in_which_a_dict_was_filled_is_nothing(t, random):
    items = random.sample(list(t.items()), len(t))
    assert same(dict(items), t)
    assert list(tree.map(lambda leaf: leaf, dict(items))) == sorted(t)


# Maps and folds


@given(trees(OBJECTS))
def test_mapping_the_identity_gives_the_tree(t):
    assert same(tree.map(lambda leaf: leaf, t), t)
    assert same(tree.map_with_path(lambda place, leaf: leaf, t), t)


@given(trees(NUMBERS))
def test_mapping_twice_is_mapping_the_composition(t):
    def f(n):
        return 3 * n + 1

    assert same_numbers(tree.map(str, tree.map(f, t)), tree.map(lambda n: str(f(n)), t))


@given(trees(NUMBERS))
def test_maps_go_leaf_by_leaf_with_the_paths_of_leaves_with_path(t):
    pairs = tree.leaves_with_path(t)
    assert tree.leaves(tree.map_with_path(lambda place, leaf: [place, leaf], t)) == [
        part for pair in pairs for part in pair
    ]
    assert len({place for place, _ in pairs}) == len(pairs)
    assert [leaf for _, leaf in pairs] == tree.leaves(t)
    squares = tree.map(lambda n: n * n, t)
    sums = tree.map(lambda n, square, other: n + square - other, t, squares, t)
    assert same_numbers(sums, squares)


@given(trees(NUMBERS), NUMBERS)
def test_reduce_and_all_are_those_of_the_leaves(t, initial):
    leaves = tree.leaves(t)

    def f(total, n):  # neither commutative nor associative
        return 3 * total - n

    assert tree.reduce(f, t, initial) == functools.reduce(f, leaves, initial)
    if leaves:
        assert tree.reduce(f, t) == functools.reduce(f, leaves)
    assert tree.all(t) == builtins.all(leaves)


@given(trees(NUMBERS))
def test_maps_give_new_trees_and_leave_the_old_alone(t):
    before = repr(t)
    assert repr(tree.map(lambda n: n + 1, t)) != before or not tree.leaves(t)
    assert repr(t) == before
    new = tree.map(lambda n: n, t)
    assert new is not t or not isinstance(t, list | dict)


def same_numbers(a, b):
    return tree.structure(a) == tree.structure(b) and tree.leaves(a) == tree.leaves(b)


# Trees that differ

NODES = st.sampled_from([None, (), [], {}, {"a": 1}, (1,), some.Point(1, 2)])


@given(trees(NUMBERS), st.lists(st.tuples(st.integers(0, 9), NODES), min_size=1, max_size=3))
def test_nodes_in_place_of_leaves_are_refused_by_the_path_of_the_first(t, changes):
    leaves, structure = tree.flatten(t)
    assume(leaves)
    changed = {index % len(leaves): node for index, node in changes}
    other = tree.unflatten(structure, [changed.get(i, leaf) for i, leaf in enumerate(leaves)])
    first = structure.paths()[min(changed)] or "the root"
    for one, two, words in ((t, other, "a leaf against "), (other, t, "against a leaf")):
        for refused in (
            lambda one=one, two=two: tree.map(lambda a, b: a, one, two),
            lambda one=one, two=two: tree.map_with_path(lambda place, a, b: a, one, two),
            lambda one=one, two=two: tree.allclose(one, two),
        ):
            with pytest.raises(ValueError, match="differ at") as error:
                refused()
            assert f"the trees differ at {first}: " in str(error.value)
            assert words in str(error.value)
        assert not tree.equal(one, two)


@given(trees(NUMBERS), trees(NUMBERS))
def test_any_two_trees_have_one_structure_or_a_path_where_they_differ(a, b):
    one, other = tree.structure(a), tree.structure(b)
    if one == other:
        assert one.difference(other) is None
        assert same_numbers(tree.map(lambda p, q: p, a, b), a)
    else:
        for difference in (one.difference(other), other.difference(one)):
            assert " against " in difference
        with pytest.raises(ValueError, match=r"the trees differ at (the root|[.[])"):
            tree.map(lambda p, q: p, a, b)


@given(st.dictionaries(some.KEYS[0], NUMBERS, min_size=1), st.data())
def test_what_one_tree_lacks_is_named(t, data):
    key = data.draw(st.sampled_from(sorted(t)))
    less = {name: value for name, value in t.items() if name != key}
    for one, two, words in (
        (t, less, "a leaf against nothing"),
        (less, t, "nothing against a leaf"),
    ):
        with pytest.raises(ValueError, match="differ at") as error:
            tree.map(lambda a, b: a, (0, one), (0, two))
        assert str(error.value).endswith(f" differ at [1][{key!r}]: {words}")


# Comparing and describing arrays


@given(trees(arrays()))
def test_a_tree_equals_its_copy_and_no_other(t):
    copy = tree.map(np.array, t)
    assert tree.equal(t, copy)
    leaves, structure = tree.flatten(copy)
    for i, leaf in enumerate(leaves):
        others = [leaf[None], _of_another_dtype(leaf)]
        for other in others + ([_with_another_value(leaf)] if leaf.size else []):
            changed = tree.unflatten(structure, [*leaves[:i], other, *leaves[i + 1 :]])
            assert not tree.equal(t, changed)


@given(trees(arrays(finite=True)))
def test_a_tree_is_close_to_itself_and_to_no_other(t):
    copy = tree.map(np.array, t)
    assert tree.allclose(t, copy, rtol=0, atol=0)
    leaves, structure = tree.flatten(copy)
    for i, leaf in enumerate(leaves):
        for other in [leaf[None]] + ([_with_another_value(leaf)] if leaf.size else []):
            changed = tree.unflatten(structure, [*leaves[:i], other, *leaves[i + 1 :]])
            assert not tree.allclose(t, changed, rtol=1e-3, atol=1e-3)


@given(trees(arrays()), st.booleans())
def test_a_description_has_a_line_for_each_leaf_and_counts_the_numbers(t, values):
    *lines, counts = tree.describe(t, values=values).splitlines()
    pairs = tree.leaves_with_path(t)
    assert len(lines) == len(pairs)
    for line, (place, leaf) in zip(lines, pairs, strict=True):
        shape = ",".join(map(str, leaf.shape))
        assert line.startswith(f"{place or '.'}  {leaf.dtype}[{shape}]")
    assert counts.split()[0] == f"{len(pairs)}"
    assert counts.split()[2] == f"{sum(leaf.size for _, leaf in pairs)}"


GREATEST = [np.finfo(kind).max for kind in "efdg"]


@given(trees(st.sampled_from(GREATEST).map(lambda m: np.array([m, -m, m]))))
def test_the_greatest_numbers_are_described_and_compared_in_silence(t):
    assert tree.describe(t, values=True).count("max") == len(tree.leaves(t))
    assert tree.allclose(t, tree.map(np.array, t))
    assert not tree.allclose(t, tree.map(np.negative, t)) or not tree.leaves(t)


# Files


@given(t=trees(arrays()))
def test_a_file_keeps_paths_shapes_dtypes_and_values(t, path):
    before = tree.map(np.array, t)
    tree.save(path, t)
    loaded = tree.load(path, t)
    assert tree.equal(loaded, t)
    assert tree.equal(t, before)
    for leaf, old in zip(tree.leaves(loaded), tree.leaves(t), strict=True):
        assert leaf.dtype.byteorder == old.dtype.byteorder
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable
    assert [file.name for file in path.parent.iterdir()] == ["tree.npz"]


@given(t=trees(arrays()), data=st.data())
def test_a_file_of_another_tree_is_refused_with_every_path_that_differs(t, path, data):
    leaves, structure = tree.flatten(t)
    assume(leaves)
    i = data.draw(st.integers(0, len(leaves) - 1))
    place = structure.paths()[i]
    tree.save(path, t)
    wrong = [
        (leaves[i][None], f"  {place or '.'}: {leaves[i].dtype}["),
        (_of_another_dtype(leaves[i]), f"  {place or '.'}: {leaves[i].dtype}["),
        ({"new": leaves[i]}, f"  {place}['new']: missing in the file"),
        (None, f"  {place or '.'}: not expected"),
    ]
    for other, text in wrong:
        like = tree.unflatten(structure, [*leaves[:i], other, *leaves[i + 1 :]])
        with pytest.raises(ValueError, match="does not fit") as error:
            tree.load(path, like)
        assert text in str(error.value)


def _of_another_dtype(array):
    return array.astype(np.complex64 if array.dtype != np.complex64 else np.complex128)


def _with_another_value(array):
    """The array with one element changed, by more than any tolerance here."""
    other = np.array(array)
    first = (0,) * other.ndim
    number = other[first]
    if other.dtype.kind == "b":
        other[first] = not number
    else:
        other[first] = 0 if np.isfinite(number) and abs(number) >= 2 else 77
    return other
