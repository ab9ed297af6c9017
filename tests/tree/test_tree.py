from collections import namedtuple

import attrs
import numpy as np
import pytest

import fcnn
from fcnn import tree

Point = namedtuple("Point", "x y")


@attrs.frozen(eq=False)
class Strict:
    """A class whose constructor would refuse what a map makes of it."""

    w: np.ndarray = attrs.field(validator=attrs.validators.instance_of(np.ndarray))


TREE = {
    "b": [np.arange(3.0), None, ()],
    "a": (fcnn.DenseParams(w=np.ones((2, 2)), b=np.zeros(2)), Point(np.ones(1), np.ones(2))),
}
PATHS = ["['a'][0].w", "['a'][0].b", "['a'][1].x", "['a'][1].y", "['b'][0]"]


def test_paths_name_places_and_dict_keys_are_sorted():
    assert [path for path, _ in tree.leaves_with_path(TREE)] == PATHS


def test_flatten_and_unflatten_are_inverse():
    leaves, structure = tree.flatten(TREE)
    again = tree.unflatten(structure, leaves)
    assert tree.equal(again, TREE)
    assert tree.structure(again) == structure
    assert hash(tree.structure(again)) == hash(structure)
    assert isinstance(again["a"][1], Point)
    assert isinstance(again["b"], list)
    assert all(a is b for a, b in zip(tree.leaves(again), leaves, strict=True))


@pytest.mark.parametrize("leaf", [3, "text", np.ones(2), {1, 2}, 2.5])
def test_anything_else_is_a_leaf(leaf):
    assert tree.leaves(leaf) == [leaf] or tree.leaves(leaf)[0] is leaf
    assert tree.leaves_with_path(leaf)[0][0] == ""


def test_map_passes_by_constructors():
    mapped = tree.map(np.shape, (Strict(np.ones((2, 3))),))
    assert isinstance(mapped[0], Strict)
    assert mapped[0].w == (2, 3)
    names = tree.map_with_path(lambda path, a, b: f"{path} {a.size + b.size}", TREE, TREE)
    assert names["a"][0].w == "['a'][0].w 8"


def test_map_reduce_all():
    doubled = tree.map(lambda a, b: a + b, TREE, TREE)
    assert tree.equal(doubled, tree.map(lambda a: 2 * a, TREE))
    assert tree.reduce(lambda total, a: total + a.size, TREE, 0) == 12
    assert tree.reduce(max, (3, [5], None)) == 5
    assert tree.all((True, [1], None))
    assert not tree.all((True, [0]))
    assert tree.all(())


def dense(w=None, b=None):
    return fcnn.DenseParams(w=np.ones(2) if w is None else w, b=np.ones(2) if b is None else b)


@pytest.mark.parametrize(
    ("a", "b", "place"),
    [
        (((), (), (), dense()), ((), (), (), dense(w=())), r"\[3\].w: a leaf against a tuple of 0"),
        ((1,) * 10, (1,) * 11, r"\[10\]: nothing against a leaf"),
        ((1,) * 11, (1,) * 10, r"\[10\]: a leaf against nothing"),
        ({"a": 1}, {"a": 1, "c": 2}, r"\['c'\]: nothing against a leaf"),
        ({"a": [1]}, {"a": (1,)}, r"\['a'\]: a list of 1 against a tuple of 1"),
        (None, 3, r"the root: None against a leaf"),
        ((dense(),), (fcnn.Conv2dParams(w=1, b=1),), r"\[0\]: DenseParams against Conv2dParams"),
    ],
)
def test_trees_that_differ_raise_and_name_the_first_path(a, b, place):
    with pytest.raises(ValueError, match=f"differ at {place}"):
        tree.map(lambda x, y: x, a, b)
    with pytest.raises(ValueError, match=f"differ at {place}"):
        tree.map_with_path(lambda path, x, y: x, a, b)
    with pytest.raises(ValueError, match=f"differ at {place}"):
        tree.allclose(a, b)
    assert not tree.equal(a, b)


def test_unflatten_counts_leaves():
    structure = tree.structure((1, 2))
    for leaves in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match=f"{len(leaves)} leaves for 2 places"):
            tree.unflatten(structure, leaves)


def test_equal_looks_at_shape_dtype_and_value():
    a = (np.array([1.0, np.nan]),)
    assert tree.equal(a, (a[0].copy(),))
    assert not tree.equal(a, (a[0].astype(np.float32),))
    assert not tree.equal(a, (a[0][None],))
    assert not tree.equal(a, (np.array([1.0, 2.0]),))
    assert tree.equal((np.array(3),), (np.array(3),))


def test_allclose_has_tolerances_and_never_broadcasts():
    a = (np.ones(3),)
    assert tree.allclose(a, (np.ones(3) + 1e-9,))
    assert not tree.allclose(a, (np.ones(3) + 1e-3,))
    assert tree.allclose(a, (np.ones(3) + 1e-3,), atol=1e-2)
    assert not tree.allclose(a, (np.ones(1),))


def test_describe():
    params, _ = fcnn.models.mnist_cnn().init(np.random.default_rng(0), (1, 28, 28))
    assert tree.describe(params).splitlines()[0] == "[0].w  float32[8,1,3,3]"
    assert tree.describe(params).splitlines()[-1] == "8 arrays, 103,018 parameters"
    line = tree.describe((np.array([1.0, 2, 3]),), values=True).splitlines()[0]
    assert line == "[0]  float64[3]  mean 2  std 0.8165  min 1  max 3"


def test_the_greatest_numbers_are_compared_in_silence():
    great = np.finfo(np.float32).max
    assert not tree.allclose((great,), (-great,))
    assert tree.allclose((great,), (great,))


def test_numbers_that_are_too_great_or_not_finite_are_described_in_silence():
    great = np.finfo(np.float64).max
    lines = tree.describe((np.array([great, -great]), np.array([np.inf, 1])), values=True)
    assert lines.splitlines() == [
        "[0]  float64[2]  mean 0  std inf  min -1.798e+308  max 1.798e+308",
        "[1]  float64[2]  mean inf  std nan  min 1  max inf",
        "2 arrays, 4 parameters",
    ]


def test_save_and_load(tmp_path):
    like = {"p": (dense(), None, np.zeros((2, 0), np.float32)), "steps": np.array(3)}
    tree.save(tmp_path / "tree.npz", like)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tree.npz"]
    with np.load(tmp_path / "tree.npz") as archive:
        assert sorted(archive.files) == sorted(path for path, _ in tree.leaves_with_path(like))
    loaded = tree.load(tmp_path / "tree.npz", like)
    assert tree.equal(loaded, like)
    for leaf in tree.leaves(loaded):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


def test_save_makes_other_memory_orders_contiguous(tmp_path):
    fortran = (np.asfortranarray(np.arange(6.0).reshape(2, 3)),)
    tree.save(tmp_path / "tree", fortran)
    loaded = tree.load(tmp_path / "tree", fortran)
    assert loaded[0].flags.c_contiguous
    assert np.array_equal(loaded[0], fortran[0])


def test_load_names_every_difference(tmp_path):
    tree.save(tmp_path / "tree.npz", {"a": np.ones(2), "b": np.ones(3), "c": np.ones(4)})
    like = {"a": np.ones(2, np.float32), "b": np.ones((3, 1)), "d": np.ones(4)}
    with pytest.raises(ValueError, match="does not fit") as error:
        tree.load(tmp_path / "tree.npz", like)
    assert str(error.value).splitlines()[1:] == [
        "  ['d']: missing in the file",
        "  ['c']: not expected",
        "  ['a']: float64[2], expected float32[2]",
        "  ['b']: float64[3], expected float64[3,1]",
    ]


def test_load_refuses_damaged_files_and_pickles(tmp_path):
    path = tmp_path / "tree.npz"
    tree.save(path, (np.arange(1000.0),))
    whole = path.read_bytes()
    contents = {"truncated": whole[:-100], "garbage": b"not a zip at all", "empty": b""}
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    contents["flipped"] = bytes(flipped)
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is not a readable \.npz file"):
            tree.load(path, (np.arange(1000.0),))
    with path.open("wb") as file:
        np.savez(file, **{"[0]": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"not a readable \.npz file"):
        tree.load(path, (np.arange(1000.0),))
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError, match="not a zip file"):
        tree.load(path, (np.arange(1000.0),))
    with pytest.raises(FileNotFoundError):
        tree.load(tmp_path / "none.npz", ())
    with pytest.raises(TypeError, match=r"\[0\] is not an array of numbers"):
        tree.save(path, (np.array([{}], dtype=object),))


def test_allclose_measures_by_its_second_tree():
    less, more = (np.array([1.0]),), (np.array([1.1]),)
    assert tree.allclose(less, more, rtol=0.095, atol=0)
    assert not tree.allclose(more, less, rtol=0.095, atol=0)
