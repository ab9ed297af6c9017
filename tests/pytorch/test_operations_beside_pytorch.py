"""Every operation against PyTorch, forward and backward, over a whole grid of settings.

The grid is the full product. A combination is left out by one rule, `fits`, and what the
rule leaves out is refused by fcnn and by PyTorch alike.
"""

from itertools import product
from typing import Any

import attrs
import numpy as np
import pytest
from agreement import assert_agree

from fcnn.numerics.arrays import Array
from fcnn.proof import pytorch as torch_operations
from fcnn.proof import shipped_values as reference
from fcnn.proof.shipped_values import ReferenceCase

Sizes = int | tuple[int, int]

DTYPES = [np.float32, np.float64]

KERNELS: list[Sizes] = [1, 2, 3, 5, (3, 1), (1, 4), (2, 3)]
STRIDES: list[Sizes] = [1, 2, 3, (1, 2), (3, 2)]
PADDINGS: list[Sizes] = [0, 1, 2, (2, 0), (1, 3), 6]
IMAGES = [(1, 1, 7, 7, 1), (5, 3, 8, 5, 4), (1, 2, 5, 9, 3), (5, 1, 1, 1, 2)]  # N, C, H, W, F

# Of the settings that few convolutions have: a smaller grid, of their own combinations.
FEW_KERNELS: list[Sizes] = [1, 3, (2, 3), (4, 1)]
FEW_STRIDES: list[Sizes] = [1, 2, (1, 3)]
FEW_PADDINGS: list[Sizes | str] = ["same", 0, (2, 1)]
DILATIONS: list[Sizes] = [1, 2, (3, 1)]
GROUPS = [1, 2, 4]  # of 4 channels and 8 features: the last is depthwise
FEW_IMAGES = [(3, 7, 7), (1, 9, 5)]  # N, H, W

WINDOWS: list[Sizes] = [1, 2, 3, 4, (3, 2), (1, 4)]
POOL_STRIDES: list[Sizes | None] = [None, 1, 2, 3, (1, 2), (3, 1)]
POOL_PADDINGS: list[Sizes] = [0, 1, 2, (1, 0), (0, 2)]
POOL_IMAGES = [(1, 1, 7, 7), (5, 3, 8, 5), (2, 2, 5, 9), (1, 1, 1, 1)]


@attrs.frozen
class Setting:
    """One point of the grid: an operation, its settings, and the shapes of its arguments."""

    operation: str
    settings: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    ties: bool = False

    def __str__(self) -> str:
        parts = [f"{name}={value}" for name, value in self.settings.items()]
        parts += [f"{name}={'x'.join(map(str, self.shapes[name]))}" for name in self.shapes]
        return "-".join([self.operation, *parts, *["ties"] * self.ties]).replace(" ", "")

    def draw(self, dtype: Any) -> dict[str, Array]:
        """Normal numbers; with ties, integers from -1 to 1, with many zeros and equals."""
        rng = np.random.default_rng(0)
        inputs: dict[str, Array] = {
            name: rng.standard_normal(shape) for name, shape in self.shapes.items()
        }
        if "var" in inputs:
            inputs["var"] = 0.1 + np.abs(inputs["var"])
        if self.ties:
            inputs["x"] = rng.integers(-1, 2, self.shapes["x"])
        return {name: array.astype(dtype) for name, array in inputs.items()}


def pair(sizes: Sizes) -> tuple[int, int]:
    return sizes if isinstance(sizes, tuple) else (sizes, sizes)


def output_size(
    image: tuple[int, int],
    window: Sizes,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes = 1,
) -> list[int]:
    if isinstance(padding, str):
        return list(image)
    axes = zip(image, *map(pair, (window, stride, padding, dilation)), strict=True)
    return [(size + 2 * p - (k - 1) * d - 1) // s + 1 for size, k, s, p, d in axes]


def fits(setting: Setting) -> bool:
    """The output has a pixel, the padding of a pool is at most half of its window, and that
    of a convolution with a stride is not "same".
    """
    settings = setting.settings
    if settings.get("padding") == "same" and pair(settings["stride"]) != (1, 1):
        return False
    if setting.operation in ("max_pool2d", "avg_pool2d"):
        window, padding = pair(setting.settings["window"]), pair(setting.settings["padding"])
        if any(p > k // 2 for k, p in zip(window, padding, strict=True)):
            return False
    return min(setting.shapes["dy"]) >= 1


def convolutions() -> list[Setting]:
    return [
        Setting(
            "conv2d",
            {"stride": stride, "padding": padding},
            {
                "x": (N, C, H, W),
                "w": (F, C, *pair(kernel)),
                "b": (F,),
                "dy": (N, F, *output_size((H, W), kernel, stride, padding)),
            },
        )
        for kernel, stride, padding, (N, C, H, W, F) in product(KERNELS, STRIDES, PADDINGS, IMAGES)
    ]


def unusual_convolutions() -> list[Setting]:
    return [
        Setting(
            "conv2d",
            {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
            {
                "x": (N, 4, H, W),
                "w": (8, 4 // groups, *pair(kernel)),
                **({"b": (8,)} if bias else {}),
                "dy": (N, 8, *output_size((H, W), kernel, stride, padding, dilation)),
            },
        )
        for kernel, stride, padding, dilation, groups, (N, H, W), bias in product(
            FEW_KERNELS, FEW_STRIDES, FEW_PADDINGS, DILATIONS, GROUPS, FEW_IMAGES, [False, True]
        )
    ]


def poolings() -> list[Setting]:
    return [
        Setting(
            operation,
            {"window": window, "stride": stride, "padding": padding},
            {
                "x": (N, C, H, W),
                "dy": (N, C, *output_size((H, W), window, stride or window, padding)),
            },
            ties,
        )
        for window, stride, padding, (N, C, H, W), (operation, ties) in product(
            WINDOWS,
            POOL_STRIDES,
            POOL_PADDINGS,
            POOL_IMAGES,
            [("max_pool2d", False), ("max_pool2d", True), ("avg_pool2d", False)],
        )
    ]


def others() -> list[Setting]:
    dense = [
        Setting(
            "dense",
            {},
            {"x": (N, D), "w": (D, K), **({"b": (K,)} if bias else {}), "dy": (N, K)},
        )
        for N, D, K, bias in product([1, 5, 64], [1, 7, 300], [1, 4, 10], [False, True])
    ]
    same = [
        Setting(operation, {}, {"x": shape, "dy": shape}, ties)
        for operation, shape, ties in [
            *product(
                ["relu", "sigmoid", "tanh", "gelu"], [(1, 1), (5, 7), (2, 3, 4, 5)], [False, True]
            ),
            *product(["softmax"], [(1, 1), (5, 10), (2, 3, 4), (2, 3, 4, 5)], [False, True]),
        ]
    ]
    flatten = [
        Setting("flatten", {}, {"x": shape, "dy": (shape[0], int(np.prod(shape[1:])))})
        for shape in [(1, 1, 1, 1), (5, 3, 4, 2), (2, 1, 7, 5)]
    ]
    leaky = [
        Setting("leaky_relu", {"slope": slope}, {"x": shape, "dy": shape}, ties)
        for slope, shape, ties in product(
            [0.0, 0.01, 0.3, 1.0], [(1, 1), (5, 7), (2, 3, 4, 5)], [False, True]
        )
    ]
    average = [
        Setting("global_avg_pool", {}, {"x": shape, "dy": shape[:2]})
        for shape in [(1, 1, 1, 1), (5, 3, 4, 2), (2, 1, 7, 5)]
    ]
    batch_norm = [
        Setting(
            "batch_norm",
            {"training": training, "epsilon": epsilon},
            {
                "x": shape,
                **dict.fromkeys(("scale", "shift", "mean", "var"), shape[1:2]),
                "dy": shape,
            },
        )
        for training, epsilon, shape in product(
            [True, False],
            [1e-5, 0.1],
            [(2, 1), (64, 7), (5, 3, 4, 2), (2, 1, 7, 5), (3, 4, 1, 1), (1, 2, 1, 3)],
        )
    ]
    return dense + same + flatten + leaky + average + batch_norm


GRID = convolutions() + unusual_convolutions() + poolings() + others()
VALID = [setting for setting in GRID if fits(setting)]
INVALID = [setting for setting in GRID if not fits(setting)]


def compare(setting: Setting, inputs: dict[str, Array], dtype: Any) -> None:
    """On inputs in whatever memory order; PyTorch gets plain copies."""
    case = ReferenceCase(str(setting), setting.operation, setting.settings, inputs)
    plain = {name: np.array(array, order="C") for name, array in inputs.items()}
    expected = torch_operations.compute(setting.operation, setting.settings, plain)
    assert_agree(reference.compute(case), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("setting", VALID, ids=str)
def test_agrees_with_torch(setting: Setting, dtype: Any) -> None:
    compare(setting, setting.draw(dtype), dtype)


@pytest.mark.parametrize("setting", VALID, ids=str)
def test_agrees_with_torch_in_a_random_memory_order(setting: Setting) -> None:
    rng = np.random.default_rng(1)
    inputs = {name: reordered(rng, array) for name, array in setting.draw(np.float64).items()}
    compare(setting, inputs, np.float64)


def reordered(rng: np.random.Generator, array: Array) -> Array:
    """Equal values, with the axes in a random order in memory, some backward, some with gaps."""
    order = rng.permutation(array.ndim)
    steps = [slice(None, None, int(step)) for step in rng.choice([1, -1, 2], array.ndim)]
    base = np.full([n * abs(s.step) for n, s in zip(array.shape, steps, strict=True)], np.nan)
    base = np.array(base.transpose(order), array.dtype, order="C").transpose(np.argsort(order))
    view = base[tuple(steps)]
    view[...] = array
    return view


@pytest.mark.parametrize("setting", INVALID, ids=str)
def test_what_is_left_out_is_invalid_in_both(setting: Setting) -> None:
    shapes = {name: tuple(max(n, 1) for n in shape) for name, shape in setting.shapes.items()}
    inputs = {name: np.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(ValueError, match=r"exceeds|needs a stride of 1"):
        reference.compute(ReferenceCase("", setting.operation, setting.settings, inputs))
    with pytest.raises(RuntimeError):
        torch_operations.compute(setting.operation, setting.settings, inputs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0.1, 1, 30])
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (1, 10), (5, 3), (64, 10)])
@pytest.mark.parametrize("loss", sorted(torch_operations.LOSSES))
def test_losses_agree_with_torch(loss: str, n: int, classes: int, size: float, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    outputs = size * rng.standard_normal((n, classes))
    if loss == "cross_entropy":
        # A probability of 1e-6 makes a gradient of 1e6, which float32 still has to 7 digits.
        outputs = np.clip(np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True), 1e-6, 1)
    inputs = {"outputs": outputs.astype(dtype), "labels": rng.integers(0, classes, n)}
    expected = torch_operations.compute(loss, {}, inputs)
    assert_agree(reference.compute(ReferenceCase(loss, loss, {}, inputs)), expected, dtype)


def test_the_grid_has_every_operation_and_real_ties() -> None:
    assert {setting.operation for setting in VALID} == set(torch_operations.OPERATIONS)
    assert len(set(map(str, GRID))) == len(GRID)
    tied = [setting for setting in VALID if setting.ties and setting.shapes["x"][-1] > 4]
    assert all((setting.draw(np.float64)["x"] == 0).any() for setting in tied)
