"""The command line from a checkout: `python cli.py train` does what `fcnn train` does."""

from fcnn.cli import app

if __name__ == "__main__":
    app(prog_name="fcnn")
