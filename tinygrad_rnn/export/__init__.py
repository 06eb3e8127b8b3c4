"""Weights for other programs."""

from .keras import from_keras, to_keras
from .weights import load_weights, save_weights
