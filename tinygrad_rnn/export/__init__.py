"""Weights for other programs."""

from .weights import load_weights, save_weights
