"""A recipe in PyTorch: the same network from the same initial parameters, the same settings.

    python benchmarks/recipe_with_pytorch.py RECIPE [--data mnist5k] [--seeds 0 1 2]

Trains, and prints the accuracy on the test images and the seconds for each seed, with mean and
standard deviation. PyTorch at its best: channels last, the fused optimizer, its own warp of the
images. What differs: batches come in another order, batch normalisation takes its statistics
over a whole batch and keeps running means, momentum is multiplied by the current learning rate,
and weight decay goes through the momentum.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
import with_pytorch
from torch import nn

import fcnn
from fcnn.augmentation.random_affine import map_to_source
from fcnn.data import Dataset
from fcnn.runs.config import Config, configure
from fcnn.runs.initial_parameters import initial_parameters
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import recipe_by_name


def main() -> None:
    """Print a line for each seed, then the mean and the standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", default="mnist5k")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    data = fcnn.data.load(options.data)
    found = []
    for seed in options.seeds:
        begun = time.perf_counter()
        config = configure(options.data, data, recipe_by_name(options.recipe), seed=seed)
        found.append(accuracy(config, data))
        print(f"seed {seed}: {found[-1]:.2%} in {time.perf_counter() - begun:.0f} s", flush=True)
    print(f"mean {np.mean(found):.2%}, standard deviation {100 * np.std(found):.2f} points")


def accuracy(config: Config, data: Dataset) -> float:
    """The test accuracy after training as the config says."""
    torch.manual_seed(config.seed)  # of dropout
    (x, labels), (x_test, labels_test) = (map(torch.from_numpy, part) for part in data)
    model = initial_model(config)
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    decay = config.weight_decay * (1 - config.momentum)
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": decay}, {"params": others}],
        momentum=config.momentum,
        nesterov=config.optimizer == "nesterov",
        fused=True,
    )
    rate = make_plan(config, data).schedule
    rng = np.random.default_rng(config.seed)
    for step, batch in enumerate(batches(len(x), config, rng)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        images = augmented(rng, x[batch], config) if config.augmentation else x[batch]
        outputs = model(images.contiguous(memory_format=torch.channels_last))
        optimizer.zero_grad()
        nn.functional.cross_entropy(
            outputs, labels[batch], label_smoothing=config.label_smoothing
        ).backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        found = torch.cat([model(part).argmax(1) for part in x_test.split(500)])
    return float((found == labels_test).double().mean())


def initial_model(config: Config) -> nn.Module:
    """The network with the parameters that fcnn begins with."""
    model = with_pytorch.network(config.model, config.in_shape)
    ours = initial_parameters(model_by_name(config.model, config.classes), config)
    trained = [array for path, array in fcnn.tree.leaves_with_path(ours)
               if not path.endswith((".mean", ".var"))]  # fmt: skip
    with torch.no_grad():
        for theirs, array in zip(model.parameters(), trained, strict=True):
            # A dense layer's weights are (in, out) here, (out, in) there.
            theirs.copy_(torch.tensor(array.T if array.ndim == 2 else array))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def batches(n: int, config: Config, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The examples of every step of the training."""
    for _epoch in range(config.epochs):
        order = rng.permutation(n)
        for begin in range(0, n, config.batch_size):
            yield order[begin : begin + config.batch_size]


def augmented(rng: np.random.Generator, x: torch.Tensor, config: Config) -> torch.Tensor:
    """`fcnn.augmentation.affine` on square images, warped by PyTorch."""
    most = [config.augmentation.get(name, 0.0) for name in ("scale", "shear", "shift", "shift")]
    turn = np.radians(config.augmentation.get("rotation", 0.0))
    drawn = np.array([turn, *most]) * rng.uniform(-1, 1, (len(x), 5))
    matrix, offset = map_to_source(*drawn.T[:3], drawn[:, 3:])
    # PyTorch has the horizontal axis first, and half an image as the unit of length.
    maps = np.concatenate([matrix[:, ::-1, ::-1], 2 / x.shape[-1] * offset[:, ::-1, None]], axis=2)
    grid = nn.functional.affine_grid(
        torch.tensor(maps, dtype=torch.float32), list(x.shape), align_corners=False
    )
    return nn.functional.grid_sample(x, grid, align_corners=False)


if __name__ == "__main__":
    main()
