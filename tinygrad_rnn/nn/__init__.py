"""Modules: a tree of parameters; recurrent cells are their equations."""

from .attention import AdditiveAttention, DotAttention
from .cells import (
    GRUCell,
    LSTMCell,
    RNNCell,
    gru_step,
    gru_step_before,
    lstm_step,
    lstm_step_peephole,
    rnn_step,
)
from .layers import Dropout, Embedding, LayerNorm, Linear, Sequential
from .module import Module, Parameter, functional_call
from .recurrent import GRU, LAYERS, LSTM, RNN
