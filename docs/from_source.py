"""What the book takes from the package itself, so that it cannot go stale.

A page names a function of this file, and its arguments, in a directive:

    ```{from-source} public_names layers
    ```
"""

import ast
import html
import inspect
import re
from pathlib import Path
from types import ModuleType

import fcnn

ROOT = Path(__file__).parents[1]
WIDTH, BOX, GAP = 760, 38, 8  # of the drawing of the house, in pixels


def setup(app):
    """Make `{from-source}` a directive: its text is Markdown that a function here returns."""
    from sphinx.util.docutils import SphinxDirective

    class FromSource(SphinxDirective):
        required_arguments = 1
        optional_arguments = 1

        def run(self):
            made_by, *arguments = self.arguments
            text = {"public_names": public_names, "command_line": command_line, "house": house}
            return self.parse_text_to_nodes(text[made_by](*arguments), allow_section_headings=True)

    app.add_directive("from-source", FromSource)
    app.connect("autodoc-process-docstring", _docstring_as_rest, priority=400)  # before napoleon


def _docstring_as_rest(app, what, name, value, options, lines):
    """Docstrings are plain text with NumPy's sections: what reST would take for markup is none."""
    paragraphs = "\n".join(lines).strip().split("\n\n")
    in_parameters = False
    for index, text in enumerate(paragraphs):
        if re.match(r"\w+\n---", text):
            in_parameters = text.startswith("Parameters")
        elif in_parameters and not re.match(r"\S.*\n +|    ", text):
            in_parameters = False
            text = f"Notes\n-----\n{text}"  # prose after the list is not one of its items
        if re.match(r"\w+ <- ", text):
            text = ".. code-block:: text\n\n" + re.sub("^", "    ", text, flags=re.MULTILINE)
        elif ">>> " not in text:
            text = "".join(
                part if part.startswith("`") else re.sub(r"[|*]|(?<=\w)_(?!\w)", r"\\\g<0>", part)
                for part in re.split(r"(`[^`]*`)", text)
            )
        paragraphs[index] = text
    text = "\n\n".join(paragraphs).replace('getfixture("tmp_path")', "Path()")
    lines[:] = text.splitlines()


def rooms():
    """The public names of each room, as one writes them: {"layers": ["fcnn.conv2d", ...]}.

    Names of `fcnn` itself belong to the room that they come from, others to their public room.
    """
    found = {}
    comes_from = _imports(ROOT / "fcnn" / "__init__.py") | fcnn._LAZY
    comes_from.pop("__version__")
    for name in fcnn.__all__:
        value = getattr(fcnn, name)
        if isinstance(value, ModuleType):
            found.setdefault(name, []).extend(f"fcnn.{name}.{one}" for one in _names_of(value))
        elif name in comes_from:
            found.setdefault(comes_from[name].split(".")[1], []).append(f"fcnn.{name}")
    return {room: sorted(names, key=str.lower) for room, names in found.items()}


def public_names(room):
    """What `autodoc` is asked for on the page of a room, each with a link to its derivation."""
    text = ""
    for name in rooms()[room]:
        text += f"```{{eval-rst}}\n{_asked_for(name)}\n```\n\n"
        page = f"derivations/{name.removeprefix('fcnn.')}.md"
        if (ROOT / "docs" / page).exists():
            text += f"[Derived step by step](../../{page})\n\n"
    return text


def command_line():
    """The commands and their options, as typer knows them."""
    import typer
    from typer.cli import get_docs_for_click

    from fcnn.cli import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="fcnn")
    text = get_docs_for_click(obj=command, ctx=context, name="fcnn")
    text = text.replace("```console\n$ ", "```text\n")
    return re.sub(r"^(#+) `(.*)`", r"\1 \2", text.split("\n", 1)[1], flags=re.MULTILINE)


def house():
    """The rooms, drawn from the table that a test holds every import to."""
    words = _map_of_the_house()
    levels = [line for line in _table_of_rooms() if line[0] not in ("__main__", "version")]
    height = len(levels) * (BOX + GAP)
    drawn = [
        f'<svg class="house" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="The rooms of '
        'fcnn, from the top down; imports run downward only">'
    ]
    for number, level in enumerate(levels):
        width = (WIDTH + GAP) / len(level) - GAP
        for column, room in enumerate(level):
            left, top = column * (width + GAP), number * (BOX + GAP)
            said = words.get(room, "") if len(level) == 1 else ""
            drawn.append(_box(left, top, width, room, said))
    return "```{raw} html\n" + "\n".join([*drawn, "</svg>"]) + "\n```\n"


def _box(left, top, width, room, said):
    name = "fcnn" if room == "__init__" else room
    return (
        f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{BOX}" rx="6"/>'
        f'<text class="room" x="{left + 14:.0f}" y="{top + 24}">{name}</text>'
        f'<text x="{left + 130:.0f}" y="{top + 24}">{html.escape(said)}</text>'
    )


def _asked_for(name):
    value = fcnn
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    if inspect.isfunction(value):
        return f".. autofunction:: {name}"
    if inspect.isclass(value):
        return f".. autoclass:: {name}\n   :members:"
    return f".. py:data:: {name}\n\n   {_words_for(name, value)}"


def _words_for(name, value):
    if isinstance(value, fcnn.Layer | fcnn.Loss):
        kind = "layer" if isinstance(value, fcnn.Layer) else "loss"
        return f"The {kind} of `{name}_forward` and `{name}_backward`."
    return f"A type: `{value}`."


def _names_of(room):
    """The public names of a room: those that it offers, or else those that it defines."""
    if "__dir__" in vars(room):
        return dir(room)
    nodes = ast.parse(inspect.getsource(room)).body
    functions = [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
    types = [node.target.id for node in nodes if isinstance(node, ast.AnnAssign)]
    return [name for name in functions + types if name[0] != "_"]


def _imports(path):
    """Where each name comes from that a file imports."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _table_of_rooms():
    test = ROOT / "tests" / "whole" / "test_architecture.py"
    for node in ast.parse(test.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "ROOMS":
            return ast.literal_eval(node.value)
    raise ValueError(f"{test} has no table of rooms")


def _map_of_the_house():
    """What `help(fcnn)` says of each room that has a line of its own."""
    lines = (re.split(r" {2,}", line) for line in fcnn.__doc__.split("\n\n")[2].splitlines())
    words = {line[0]: line[1].replace("`", "") for line in lines if len(line) > 1}
    return words | {"__init__": "the public names"}
