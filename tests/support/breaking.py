"""How a function is broken on purpose: replacements for monkeypatch.setattr."""


def change_result(module, name, change):
    """Replace a function by one whose result is changed: `change(*arguments, result)`."""
    right = getattr(module, name)
    return module, name, lambda *args, **settings: change(*args, right(*args, **settings))


def change_parameters(module, name, change):
    """Replace a backward function by one that gives other gradients of the parameters."""

    def changed(cache, dy, gradients):
        dparams, dx = gradients
        return change(dparams), dx

    return change_result(module, name, changed)
