"""The same LSTM layer as users of each library write it: one class a library, one method to time.

A contender is made from a `Problem`. `step()` is what is timed: forward, loss, backward, and
forgetting the gradients of the step before; no graph outlives it.
`outputs()` and `gradients()` are for checking it.

Legend: B batch, T time, D input width, H hidden width; gates i, f, g, o; states h, c.
"""

from dataclasses import dataclass

import numpy as np
from handwritten import HandwrittenLSTM

PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


@dataclass
class Problem:
    """Sizes and arrays: the layer's input and parameters, and the R of loss = sum(outputs * R)."""

    sizes: tuple
    x: np.ndarray
    parameters: dict
    h0: np.ndarray
    c0: np.ndarray
    R: np.ndarray

    def leaves(self):
        """All arrays of which the gradient is wanted, by name."""
        return {**self.parameters, "h0": self.h0, "c0": self.c0}


def make_problem(sizes, dtype, seed=0, scale=1.0):
    """A random problem; PyTorch's initialization, times `scale`."""
    T, B, D, H = sizes
    rng = np.random.default_rng(seed)
    bound = scale / np.sqrt(H)
    shapes = ((4 * H, D), (4 * H, H), (4 * H,), (4 * H,))
    drawn = [rng.uniform(-bound, bound, shape) for shape in shapes]
    parameters = {name: array.astype(dtype) for name, array in zip(PARAMETERS, drawn, strict=True)}
    x, h0, c0, R = (
        rng.normal(size=s).astype(dtype) for s in ((T, B, D), (B, H), (B, H), (T, B, H))
    )
    return Problem(sizes, x, parameters, h0, c0, R)


class Handwritten:
    """NumPy, gradient by hand (handwritten.py)."""

    name = "hand-written NumPy"
    package = "numpy"

    def __init__(self, problem):
        self.problem = problem
        self.layer = HandwrittenLSTM(problem.sizes, problem.parameters)

    def step(self):
        p = self.problem
        self.out = self.layer.forward(p.x, p.h0, p.c0)
        self.loss = np.vdot(self.out, p.R)
        self.grads = self.layer.backward(p.R)

    def outputs(self):
        return self.out

    def gradients(self):
        return self.grads


class TinygradRNN:
    """tinygrad_rnn.nn.LSTM as it comes: its step is recorded once, and replayed."""

    name = "tinygrad_rnn"
    package = "tinygrad_rnn"

    def __init__(self, problem):
        import tinygrad_rnn as tg

        _, _, D, H = problem.sizes
        self.x, self.R = tg.Tensor(problem.x), tg.Tensor(problem.R)
        self.layer = tg.nn.LSTM(D, H, dtype=problem.x.dtype, rng=0)
        # PyTorch's shape of a state: (layers * directions, B, H).
        self.h0 = tg.Tensor(problem.h0[None], requires_grad=True)
        self.c0 = tg.Tensor(problem.c0[None], requires_grad=True)
        self.leaves = {name: getattr(self.layer, name) for name in PARAMETERS}
        for name, parameter in self.leaves.items():
            parameter.data = problem.parameters[name].copy()
        self.leaves.update(h0=self.h0, c0=self.c0)

    def step(self):
        self.forget()
        self.loss().backward()

    def forget(self):
        """Drop the last step's gradients."""
        for leaf in self.leaves.values():
            leaf.grad = None

    def loss(self):
        out, _ = self.layer(self.x, (self.h0, self.c0))
        self.out = out.data
        return (out * self.R).sum()

    def outputs(self):
        return self.out

    def gradients(self):
        return {
            name: leaf.grad.reshape(leaf.shape[-2:]) if name in ("h0", "c0") else leaf.grad
            for name, leaf in self.leaves.items()
        }


class TinygradLines(TinygradRNN):
    """The same layer with every operation of every step recorded, and walked over."""

    name = "tinygrad_rnn, line by line"

    def loss(self):
        import tinygrad_rnn as tg

        with tg.line_by_line():
            return super().loss()


class TinygradCompiled:
    """The whole program of a step of training, its backward pass too, run by `tg.compile`."""

    name = "tinygrad_rnn, compiled"
    package = "tinygrad_rnn"

    def __init__(self, problem):
        import tinygrad_rnn as tg

        recorded = TinygradRNN(problem)
        self.names = list(recorded.leaves)
        self.arrays = [problem.x, problem.R, *(leaf.data for leaf in recorded.leaves.values())]

        def step(x, R, *leaves):
            weights = dict(zip(PARAMETERS, leaves))
            out, _ = tg.nn.functional_call(recorded.layer, weights, x, leaves[len(weights) :])
            gradients = tg.grad((out * R).sum(), leaves, create_graph=True)
            return out, *gradients

        inputs = [recorded.x, recorded.R, *recorded.leaves.values()]
        self.run = tg.compile(step, *inputs)

    def step(self):
        self.out, *self.grads = self.run(*self.arrays)

    def outputs(self):
        return self.out

    def gradients(self):
        found = dict(zip(self.names, self.grads))
        return {n: g.reshape(g.shape[-2:]) if n in ("h0", "c0") else g for n, g in found.items()}


class TorchCell:
    """PyTorch, eager, the cell in primitive operations."""

    name = "PyTorch, cell in primitives"
    package = "torch"

    def __init__(self, problem):
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        self.x, self.R = torch.tensor(problem.x), torch.tensor(problem.R)
        leaves = problem.leaves()
        self.leaves = {n: torch.tensor(a, requires_grad=True) for n, a in leaves.items()}

    def step(self):
        for leaf in self.leaves.values():
            leaf.grad = None
        out = self.unroll()
        loss = (out * self.R).sum()
        loss.backward()
        self.out = out.detach()

    def unroll(self):
        torch, p = self.torch, self.leaves
        h, c = p["h0"], p["c0"]
        bias = p["bias_ih_l0"] + p["bias_hh_l0"]
        projected = self.x @ p["weight_ih_l0"].T + bias  # (T, B, 4H)
        w_hh = p["weight_hh_l0"].T
        hidden = []
        for from_x in projected.unbind(0):
            i, f, g, o = (from_x + h @ w_hh).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            hidden.append(h)
        return torch.stack(hidden)

    def outputs(self):
        return self.out.numpy()

    def gradients(self):
        return {name: leaf.grad.numpy() for name, leaf in self.leaves.items()}


class TorchLayer(TorchCell):
    """torch.nn.LSTM: PyTorch's own layer."""

    name = "torch.nn.LSTM"

    def __init__(self, problem):
        super().__init__(problem)
        torch = self.torch
        _, _, D, H = problem.sizes
        self.layer = torch.nn.LSTM(D, H, dtype=self.x.dtype)
        with torch.no_grad():
            for name in PARAMETERS:
                getattr(self.layer, name).copy_(self.leaves[name])
        self.leaves.update({name: getattr(self.layer, name) for name in PARAMETERS})

    def unroll(self):
        out, _ = self.layer(self.x, (self.leaves["h0"][None], self.leaves["c0"][None]))
        return out


class Autograd:
    """HIPS autograd: NumPy calls traced, `value_and_grad` of a function of a dict."""

    name = "autograd (HIPS)"
    package = "autograd"

    def __init__(self, problem):
        import autograd
        import autograd.numpy as anp

        self.np = anp
        self.problem = problem
        self.leaves = problem.leaves()
        self.gradient = autograd.grad(self.loss)

    def step(self):
        self.grads = self.gradient(self.leaves)

    def loss(self, leaves):
        out = self.unroll(leaves)
        self.out = out._value
        return self.np.sum(out * self.problem.R)

    def unroll(self, p):
        anp = self.np
        T, _, _, H = self.problem.sizes
        h, c = p["h0"], p["c0"]
        bias = p["bias_ih_l0"] + p["bias_hh_l0"]
        projected = anp.dot(self.problem.x, p["weight_ih_l0"].T) + bias  # (T, B, 4H)
        w_hh = p["weight_hh_l0"].T
        hidden = []
        for t in range(T):
            gates = projected[t] + anp.dot(h, w_hh)  # (B, 4H)
            i, f = self.sigmoid(gates[:, :H]), self.sigmoid(gates[:, H : 2 * H])
            g, o = anp.tanh(gates[:, 2 * H : 3 * H]), self.sigmoid(gates[:, 3 * H :])
            c = f * c + i * g
            h = o * anp.tanh(c)
            hidden.append(h)
        return anp.stack(hidden)

    def sigmoid(self, a):
        return 0.5 * (self.np.tanh(0.5 * a) + 1)

    def outputs(self):
        return self.out

    def gradients(self):
        return self.grads


class MyGrad:
    """MyGrad with its own sigmoid, its guard against changed arrays off (its manual's advice)."""

    name = "MyGrad"
    package = "mygrad"

    def __init__(self, problem):
        import mygrad
        from mygrad.nnet.activations import sigmoid

        self.mg, self.sigmoid = mygrad, sigmoid
        self.problem = problem
        self.leaves = {name: mygrad.tensor(array) for name, array in problem.leaves().items()}

    def step(self):
        for leaf in self.leaves.values():
            leaf.null_grad()
        with self.mg.mem_guard_off:
            out = self.unroll()
            loss = (out * self.problem.R).sum()
            loss.backward()
        self.out = out.data

    def unroll(self):
        mg, sigmoid, p = self.mg, self.sigmoid, self.leaves
        T, _, _, H = self.problem.sizes
        h, c = p["h0"], p["c0"]
        bias = p["bias_ih_l0"] + p["bias_hh_l0"]
        projected = mg.matmul(self.problem.x, p["weight_ih_l0"].T) + bias  # (T, B, 4H)
        w_hh = p["weight_hh_l0"].T
        hidden = []
        for t in range(T):
            gates = projected[t] + mg.matmul(h, w_hh)  # (B, 4H)
            i, f = sigmoid(gates[:, :H]), sigmoid(gates[:, H : 2 * H])
            g, o = mg.tanh(gates[:, 2 * H : 3 * H]), sigmoid(gates[:, 3 * H :])
            c = f * c + i * g
            h = o * mg.tanh(c)
            hidden.append(h)
        return mg.stack(hidden)

    def outputs(self):
        return self.out

    def gradients(self):
        return {name: leaf.grad for name, leaf in self.leaves.items()}


CONTENDERS = {
    "handwritten": Handwritten,
    "tinygrad_rnn": TinygradRNN,
    "lines": TinygradLines,
    "compiled": TinygradCompiled,
    "torch-cell": TorchCell,
    "torch-layer": TorchLayer,
    "autograd": Autograd,
    "mygrad": MyGrad,
}
