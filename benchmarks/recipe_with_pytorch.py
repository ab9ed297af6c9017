"""A recipe in PyTorch: the same network from the same initial parameters, the same settings.

    python benchmarks/recipe_with_pytorch.py RECIPE [--data mnist5k] [--seeds 0 1 2] [--epochs N]
        [--memory-format channels_last]

Trains, and prints the accuracy on the test images and the seconds for each seed, with mean and
standard deviation. PyTorch at its best: the fused optimizer, channels last unless the other memory
format is asked for, one warp of its own that moves and bends the images, `torch.optim.swa_utils`
for an average. What differs: batches come in another order, batch normalisation takes its
statistics over a whole batch and keeps running means (averaged as the parameters are, where those
are averaged), the average begins with the initial parameters, momentum is multiplied by the current
learning rate, and weight decay goes through the momentum.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import torch
import with_pytorch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import fcnn
from fcnn.augmentation.elastic_distortion import gaussian
from fcnn.augmentation.random_affine import map_to_source
from fcnn.data import Dataset
from fcnn.runs.config import Config, configure
from fcnn.runs.initial_parameters import initial_parameters
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import recipe_by_name

FORMATS: Final = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
SIGMA: Final = 4.0  # of `fcnn.augmentation.elastic`
AREA: Final = (0.02, 0.4)  # of `fcnn.augmentation.random_erasing`, as the aspect
ASPECT: Final = 0.3


def main() -> None:
    """Print a line for each seed, then the mean and the standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", default="mnist5k")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--memory-format", choices=FORMATS, default="channels_last")
    options = parser.parse_args()
    memory_format = FORMATS[options.memory_format]
    data = fcnn.data.load(options.data)
    found, given = [], {} if options.epochs is None else {"epochs": options.epochs}
    for seed in options.seeds:
        begun = time.perf_counter()
        config = configure(options.data, data, recipe_by_name(options.recipe), seed=seed, **given)
        found.append(accuracy(config, data, memory_format))
        print(f"seed {seed}: {found[-1]:.2%} in {time.perf_counter() - begun:.1f} s", flush=True)
    print(f"mean {np.mean(found):.2%}, standard deviation {100 * np.std(found):.2f} points")


def accuracy(config: Config, data: Dataset, memory_format: torch.memory_format) -> float:
    """The test accuracy after training as the config says."""
    torch.manual_seed(config.seed)  # of dropout
    (x, labels), (x_test, labels_test) = (map(torch.from_numpy, part) for part in data)
    model = initial_model(config, memory_format)
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    decay = config.weight_decay * (1 - config.momentum)
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": decay}, {"params": others}],
        momentum=config.momentum,
        nesterov=config.optimizer == "nesterov",
        fused=True,
    )
    average = AveragedModel(
        model, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True
    )
    rate = make_plan(config, data).schedule
    rng = np.random.default_rng(config.seed)
    for step, batch in enumerate(batches(len(x), config, rng)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        images = augmented(rng, x[batch], config.augmentation)
        outputs = model(images.contiguous(memory_format=memory_format))
        optimizer.zero_grad()
        nn.functional.cross_entropy(
            outputs, labels[batch], label_smoothing=config.label_smoothing
        ).backward()
        optimizer.step()
        if config.average_decay:
            average.update_parameters(model)
    trained = (average if config.average_decay else model).eval()
    with torch.inference_mode():
        found = torch.cat([trained(part).argmax(1) for part in x_test.split(500)])
    return float((found == labels_test).double().mean())


def initial_model(config: Config, memory_format: torch.memory_format) -> nn.Module:
    """The network with the parameters that fcnn begins with."""
    model = with_pytorch.network(config.model, config.in_shape)
    ours = initial_parameters(model_by_name(config.model, config.classes), config)
    trained = [array for path, array in fcnn.tree.leaves_with_path(ours)
               if not path.endswith((".mean", ".var"))]  # fmt: skip
    with torch.no_grad():
        for theirs, array in zip(model.parameters(), trained, strict=True):
            # A dense layer's weights are (in, out) here, (out, in) there.
            theirs.copy_(torch.tensor(array.T if array.ndim == 2 else array))
    return model.to(memory_format=memory_format)  # type: ignore[call-overload]


def batches(n: int, config: Config, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The examples of every step of the training."""
    for _epoch in range(config.epochs):
        order = rng.permutation(n)
        for begin in range(0, n, config.batch_size):
            yield order[begin : begin + config.batch_size]


def augmented(
    rng: np.random.Generator, x: torch.Tensor, given: Mapping[str, float]
) -> torch.Tensor:
    """What `fcnn.runs.plan.augmentation_of` does with square images: moved and bent in one warp,
    then covered.
    """
    if given.keys() - {"erasing"}:
        x = nn.functional.grid_sample(x, grid(rng, x, given), align_corners=False)
    return erased(x, given["erasing"]) if given.get("erasing") else x


def grid(rng: np.random.Generator, x: torch.Tensor, given: Mapping[str, float]) -> torch.Tensor:
    """Where in the images the pixels come from: through `elastic` to what `affine` has made."""
    N, _, _, size = x.shape
    most = [given.get(name, 0.0) for name in ("scale", "shear", "shift", "shift")]
    turn = np.radians(given.get("rotation", 0.0))
    drawn = np.array([turn, *most]) * rng.uniform(-1, 1, (N, 5))
    matrix, offset = map_to_source(*drawn.T[:3], drawn[:, 3:])
    # PyTorch has the horizontal axis first, and half an image as the unit of length.
    maps = np.concatenate([matrix[:, ::-1, ::-1], 2 / size * offset[:, ::-1, None]], axis=2)
    maps = torch.tensor(maps, dtype=torch.float32)
    places = nn.functional.affine_grid(maps, list(x.shape), align_corners=False)
    if not given.get("elastic"):
        return places
    smooth = torch.tensor(gaussian(size, SIGMA, np.dtype(np.float32)))
    bent = smooth @ (torch.rand(2, N, size, size) * 2 - 1) @ smooth
    bent *= given["elastic"] * 2 / size
    # (2, N, H, W) -> (N, H W, 2), and through the linear part of each map
    moved = bent.flatten(2).permute(1, 2, 0) @ maps[:, :, :2].transpose(1, 2)
    return places + moved.view_as(places)


def erased(x: torch.Tensor, probability: float) -> torch.Tensor:
    """`fcnn.augmentation.random_erasing`."""
    (low, high), (N, _, H, W) = AREA, x.shape
    chance, part, ratio, top, left = torch.rand(5, N)
    covered = (low + (high - low) * part) * H * W
    shape = ASPECT ** (1 - 2 * ratio)  # height / width
    rows = stretch(H, (covered * shape).sqrt(), top) & (chance < probability)[:, None]
    columns = stretch(W, (covered / shape).sqrt(), left)
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0)


def stretch(size: int, length: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Which pixels (N, size) lie in a stretch of that length."""
    length = length.round().clamp(1, size)
    first = (place * (size - length + 1)).floor()
    pixels = torch.arange(size)
    return (pixels >= first[:, None]) & (pixels < (first + length)[:, None])


if __name__ == "__main__":
    main()
