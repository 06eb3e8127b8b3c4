"""Modules: a tree of parameters; recurrent cells are their equations."""

from .layers import Dropout, Embedding, Linear, Sequential
from .module import Module, Parameter, functional_call
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, gru_step, lstm_step, rnn_step
