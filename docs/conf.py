"""The book: `python -m sphinx -W -b html docs build/docs`, after `pip install -e '.[docs]'`."""

import sys
from functools import partialmethod
from pathlib import Path

from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).parent))

import from_source

from fcnn.version import __version__

project = "fcnn"
author = copyright = "The fcnn authors"
release = __version__

extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax as files of the book: formulas show without a network
]
html_theme = "furo"
html_title = "fcnn"
html_static_path = ["_static"]
html_css_files = ["book.css"]
exclude_patterns = ["**/.ipynb_checkpoints"]

# Markdown: $x$ and $$x$$ are formulas, headings can be linked to.
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "attrs_inline", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120  # seconds for a cell
nb_merge_streams = True
# What a cell prints comes from its kernel in pieces, cut anywhere: they are joined as they came,
# before MyST-NB would join them with line breaks.
NotebookClient.__init__ = partialmethod(NotebookClient.__init__, coalesce_streams=True)

smartquotes_action = "D"  # dashes alone

# Docstrings: `x` is code.
default_role = "code"
autodoc_typehints = "none"  # docstrings say shapes and dtypes
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_attr_annotations = False
napoleon_use_param = False
napoleon_use_rtype = False

# Every name that is linked to must be there, but for inner ones, and types that are said in words.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"fcnn\.\w+\.\w+\..*|DisagreementError"),
    ("py:class", r"[a-z_]+"),
]


def setup(app):
    from_source.setup(app)
