"""The version of this package, for packaging and run folders alike."""

__version__ = "0.1.0"
