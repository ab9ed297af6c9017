"""What options name, loaded: data, and a model for it."""

from fcnn.cli.exit_codes import wrong_usage
from fcnn.cli.progress import Bar
from fcnn.data import Dataset, load
from fcnn.layers.layer import Layer
from fcnn.runs.config import Config, configure
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.recipes import DEFAULT


def load_data(name: str, seed: int, bar: Bar) -> Dataset:
    """Data by name; a bar shows the download."""
    with wrong_usage():
        loaded = load(name, seed=seed, progress=bar.update)
    bar.close()
    return loaded


def configured(data: str, model: str | None, bar: Bar) -> tuple[Config, Layer]:
    """A model on data, as `train` would have it."""
    loaded = load_data(data, DEFAULT.settings.seed, bar)
    with wrong_usage():
        given = {} if model is None else {"model": model}
        config = configure(data, loaded, DEFAULT, **given)
        return config, model_by_name(config.model, config.classes)
