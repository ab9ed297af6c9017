"""Augmentation: pure functions `(rng, images) -> images`."""
