"""`python -m fcnn`: the command line."""

from fcnn.cli import app

app(prog_name="fcnn")
