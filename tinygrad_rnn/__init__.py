"""tinygrad_rnn: reverse-mode automatic differentiation that is made to be read.

A Tensor is an array that remembers how it was made; everything else is a walk over that memory.
RNN, LSTM and GRU are made of primitive operations, so back-propagation through time is a walk too.

Read in this order: `tensor.py`, `graph.py`, `ops.py`, `check/`, `nn/recurrent.py`.
"""

from . import bptt, data, functional, nn, optim
from .check import Report, check_loss, check_module, check_rule, gradcheck, locate
from .compiled import compile
from .corners import absolute, between, equal, greater, maximum, minimum, relu, sign, where
from .derivatives import grad, hessian, hvp, jacobian, jvp, vjp
from .draw import Drawing, draw
from .draw.page import Page, step_through
from .functional import (
    clip,
    concatenate,
    einsum,
    expand_dims,
    flip,
    mean,
    outer,
    pad,
    repeat,
    split,
    squeeze,
    stack,
    std,
    swapaxes,
    take,
    tile,
    unbind,
    var,
)
from .modes import debug, detect_anomaly, enable_grad, line_by_line, no_grad, scope
from .ops import (
    add,
    astype,
    broadcast_to,
    cos,
    cumsum,
    divide,
    exp,
    expm1,
    getitem,
    log,
    log1p,
    logsumexp,
    matmul,
    max,
    min,
    multiply,
    negative,
    power,
    prod,
    reshape,
    scatter,
    sigmoid,
    sin,
    softplus,
    sqrt,
    square,
    subtract,
    sum,
    sum_of_products,
    tanh,
    transpose,
)
from .program import Graph
from .tensor import Node, Primitive, Tensor, label, primitive

__version__ = "0.1.0"
