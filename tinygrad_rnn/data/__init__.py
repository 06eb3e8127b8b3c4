"""Sequences in: files become tokens, tokens integers, integers padded batches.

Read in this order: `text.py`, `batches.py`, `windows.py`, `splits.py`; then, for your own files,
`sources.py`, `tables.py`, `records.py`, `sound.py`. From a sentence to what a layer takes:

>>> import numpy as np
>>> from tinygrad_rnn import functional as F
>>> reviews = [words(review) for review in ("A fine film!", "No.")]
>>> vocabulary = Vocabulary((word for r in reviews for word in r), padding="<pad>")
>>> x, lengths = pad_sequences([vocabulary.encode(review) for review in reviews])
>>> x
array([[3, 5, 4, 1],
       [0, 0, 6, 2]])

An integer's size means nothing, so a layer takes a row of numbers for each: one-hot, V wide and
all zeros but one; or an embedding, E wide and learned. They are one thing: the embedding is the
one-hot row times a matrix W (V, E), without the zeros.

>>> W = np.random.default_rng(0).standard_normal((len(vocabulary), 2))
>>> bool((F.one_hot(x, len(vocabulary)) @ W == F.embedding(x, W)).all())
True
"""

from .batches import Batch, bucketed_batches, pad_sequences, sequential_batches
from .records import read_conll, read_fasta
from .sound import read_wav
from .sources import manual, read_folder, read_text
from .splits import shuffled_split, split
from .tables import read_csv, read_pairs, read_series
from .text import Vocabulary, characters, words
from .windows import sliding_windows
