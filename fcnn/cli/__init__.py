"""The command line: options in, words out, no arithmetic."""

from fcnn.cli.commands import app as app
