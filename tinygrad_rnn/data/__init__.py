"""Text in, batches out."""

from .text import Vocabulary, manual, read_text, sequential_batches, split
