"""The bilinear warp against PyTorch's grid_sample."""

from typing import Any

import numpy as np
import pytest
import torch
from agreement import TOLERANCES, error

from fcnn.augmentation import affine_warp


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (3, 2, 7, 12), (2, 1, 31, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_affine_warps_agree_with_grid_sample(
    dtype: Any, shape: tuple[int, int, int, int], align_corners: bool
) -> None:
    """grid_sample wants places in the order (x, y) and from -1 to 1: the centres of the outer
    pixels with align_corners, else the outer edges of those.
    """
    rng = np.random.default_rng(0)
    N, _, H, W = shape
    x = rng.standard_normal(shape).astype(dtype)
    matrix = np.eye(2) + rng.normal(0, 0.3, (N, 2, 2))
    offset = rng.normal(0, 2, (N, 2))
    centre = np.array([(H - 1) / 2, (W - 1) / 2])
    pixels = np.stack(np.meshgrid(np.arange(H), np.arange(W), indexing="ij"), -1)
    places = np.einsum("nkl,ijl->nijk", matrix, pixels - centre)
    places += centre + offset[:, None, None]
    sizes = np.array([H, W])
    by_centres, by_edges = 2 * places / (sizes - 1) - 1, (2 * places + 1) / sizes - 1
    grid = by_centres if align_corners else by_edges
    expected = torch.nn.functional.grid_sample(
        torch.tensor(x),
        torch.tensor(grid[..., ::-1].astype(dtype)),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=align_corners,
    ).numpy()
    y = affine_warp(x, matrix, offset)
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    # Places of about 30 pixels are exact to 2e-6 in float32, and so are the values between.
    assert error(y, expected) <= (3 if dtype == np.float32 else 1) * TOLERANCES[np.dtype(dtype)]
