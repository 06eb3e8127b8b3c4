"""The recorded program as a value: listed, asked, counted, folded, handed to other programs."""

from .lines import Edge, Gradients, Line, short
from .value import Graph
