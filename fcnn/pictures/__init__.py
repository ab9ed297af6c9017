"""Pictures of training and of networks: functions that return matplotlib figures.

training_curves     losses and accuracies, epoch by epoch, of records or a run
confusion_matrix    how often each class was taken for each other
mistakes            the images that were taken for something else
filters             the kernels of a layer
activations         what each layer makes of one image

They need matplotlib, `pip install 'fcnn[pictures]'`, which is imported when the first of them is
asked for. A figure is made without pyplot: `figure.savefig("curves.png")` writes it, a notebook
shows it. `run` is a name that is written in its corner::

    run = fcnn.load_run("runs/mnist5k-deep_cnn_small-1")
    fcnn.pictures.training_curves(run)
    fcnn.pictures.activations(run.model, run.params, image)
"""

import typing as _typing

if _typing.TYPE_CHECKING:
    from fcnn.pictures.confusion import confusion_matrix as confusion_matrix
    from fcnn.pictures.curves import training_curves as training_curves
    from fcnn.pictures.kernels import filters as filters
    from fcnn.pictures.layer_outputs import activations as activations
    from fcnn.pictures.mistaken_images import mistakes as mistakes

_LAZY = {
    "activations": "layer_outputs",
    "confusion_matrix": "confusion",
    "filters": "kernels",
    "mistakes": "mistaken_images",
    "training_curves": "curves",
}

__all__ = [*_LAZY]


def __getattr__(name: str) -> _typing.Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fcnn.pictures' has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"fcnn.pictures.{_LAZY[name]}")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"fcnn.pictures.{name} needs matplotlib ({error}); pip install 'fcnn[pictures]'"
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
