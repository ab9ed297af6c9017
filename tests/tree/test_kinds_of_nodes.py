"""Nodes of other classes: dataclasses, ordered and default dicts, classes that are registered."""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.tree.trained_leaves import UNTRAINED


@dataclass(frozen=True)
class Scale:
    scale: object
    mean: object = field(metadata=UNTRAINED)
    kind: ClassVar[str] = "scale"

    def __post_init__(self):
        if not isinstance(self.scale, np.ndarray):
            raise TypeError("a scale is an array")


SCALE = Scale(np.ones(2, np.float32), np.zeros(2, np.float32))


def test_dataclasses_are_nodes_and_put_together_past_init():
    assert [path for path, _ in tree.leaves_with_path([SCALE])] == ["[0].scale", "[0].mean"]
    shapes = tree.map(np.shape, SCALE)
    assert type(shapes) is Scale
    assert (shapes.scale, shapes.mean) == ((2,), (2,))
    assert tree.leaves(Scale) == [Scale]  # the class itself is a leaf


def test_optimizers_leave_the_statistics_of_a_dataclass_alone():
    optimizer = fcnn.sgd(0.1, weight_decay=0.5, decays=lambda path, leaf: True)
    zeros = tree.map(np.zeros_like, SCALE)
    start = Scale(SCALE.scale, SCALE.scale)
    moved, _ = optimizer.step(start, zeros, optimizer.init(start))
    assert moved.scale.tolist() == pytest.approx([0.95, 0.95])
    assert moved.mean.tolist() == [1.0, 1.0]


def test_an_ordered_dict_keeps_its_order():
    node = OrderedDict(b=1, a=2)
    assert tree.leaves_with_path(node) == [("['b']", 1), ("['a']", 2)]
    doubled = tree.map(lambda leaf: 2 * leaf, node)
    assert type(doubled) is OrderedDict
    assert doubled == OrderedDict(b=2, a=4)
    with pytest.raises(ValueError, match=r"differ at the root: the order of keys"):
        tree.map(max, node, OrderedDict(a=1, b=2))
    with pytest.raises(ValueError, match=r"an OrderedDict of 2 against a dict of 2"):
        tree.map(max, node, dict(node))


def test_a_default_dict_keeps_its_factory():
    node = defaultdict(list, b=1, a=2)
    assert tree.leaves_with_path(node) == [("['a']", 2), ("['b']", 1)]
    doubled = tree.map(lambda leaf: 2 * leaf, node)
    assert type(doubled) is defaultdict
    assert doubled == {"a": 4, "b": 2}
    assert doubled["c"] == []
    with pytest.raises(ValueError, match=r"at the root: .* made with .*list.* against .*set"):
        tree.map(max, node, defaultdict(set, node))


def test_a_class_that_is_registered_is_a_node():
    class Pair:
        def __init__(self, a, b, name):
            self.a, self.b, self.name = a, b, name

    pair = Pair(np.ones(2), (np.zeros(3),), "mine")
    assert tree.leaves(pair) == [pair]
    tree.register(
        Pair, lambda node: ([node.a, node.b], node.name), lambda name, both: Pair(*both, name)
    )
    assert [path for path, _ in tree.leaves_with_path([pair])] == ["[0][0]", "[0][1][0]"]
    shapes = tree.map(np.shape, pair)
    assert (shapes.a, shapes.b, shapes.name) == ((2,), ((3,),), "mine")
    assert tree.structure(pair) == tree.structure(Pair(1, (2,), "mine"))
    with pytest.raises(ValueError, match=r"made with \('mine',\) against \('other',\)"):
        tree.map(max, pair, Pair(1, (2,), "other"))

    class Own(Pair):
        pass

    own = Own(1, 2, "own")
    assert tree.leaves(own) == [own]
    with pytest.raises(ValueError, match=r"tree.register: Pair is the class of a node already"):
        tree.register(Pair, list, list)


@pytest.mark.parametrize("kind", [list, dict, OrderedDict, type(None), fcnn.DenseParams, Scale])
def test_what_is_a_node_already_is_not_registered_again(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} is the class of a node already"):
        tree.register(kind, list, list)


def test_wrong_calls_of_register_are_told():
    class Mine:
        pass

    with pytest.raises(TypeError, match=r"tree.register: kind is a Mine, expected a type"):
        tree.register(Mine(), list, list)
    with pytest.raises(TypeError, match=r"tree.register: unflatten"):
        tree.register(Mine, list, None)
    tree.register(Mine, lambda node: [1, 2], lambda rest, children: Mine())
    with pytest.raises(TypeError, match=r"flatten of Mine must return the tuple .* not a list"):
        tree.leaves(Mine())


@pytest.mark.parametrize("function", ["map", "map_with_path"])
def test_shapes_that_do_not_fit_name_the_path(function):
    def add(*args):
        return args[-2] + args[-1]

    a, b = ([np.ones(2), {"w": np.ones((2, 3))}], [np.ones(2), {"w": np.ones((4, 3))}])
    told = r"the shapes at \[1\]\['w'\], \(2, 3\) and \(4, 3\), do not fit: operands could not"
    with pytest.raises(ValueError, match=rf"tree.{function}: {told}"):
        getattr(tree, function)(add, a, b)


def test_other_errors_of_the_function_stay_what_they_are():
    def refuse(a, b):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        tree.map(refuse, [np.ones(2)], [np.ones(2)])
