"""An LSTM layer with its gradient written out by hand: the limit a library is measured against.

Nothing is recorded and nothing is allocated between the first step and the last; every buffer is
made once, for the sizes given. Run `python tests/benchmarks/lstm.py` to compare.

Legend: B batch, T time, D input width, H hidden width; gates i, f, g, o; states h, c.

What makes it fast, each measured against its alternatives:

* `x @ weight_ih.T` for all steps is one product before the loop, a weight's gradient one after it.
* sigmoid(a) = (1 + tanh(a / 2)) / 2. The half is folded into the weights (exact: a power of two),
  so one `tanh` serves all four gates. It cannot overflow.
* Blocks of shape (B, H) are contiguous: a step's blocks are i, f, o, g, c_before, so that
  (i, f) * (g, c_before) is one multiplication and its two halves add up to the new c.
* What the backward step needs of the forward values alone (the local derivatives) is computed for
  many steps at once, in pieces that stay in the cache. Six short operations and a product remain.
"""

import numpy as np

# The steps whose local derivatives are computed at once fill about this many numbers per buffer.
PIECE = 2**18


class HandwrittenLSTM:
    """One LSTM layer for fixed sizes; `parameters` as in PyTorch (names, shapes, gate order).

    The arrays returned are the layer's own buffers: valid until its next call.
    """

    def __init__(self, sizes, parameters, piece=PIECE):
        T, B, D, H = self.sizes = sizes
        self.parameters = parameters
        dtype = parameters["weight_hh_l0"].dtype

        def buffer(*shape):
            return np.empty(shape, dtype)

        self.half, self.one = np.array(0.5, dtype), np.array(1.0, dtype)
        self.ones = np.ones(T * B, dtype)

        self.w_ih, self.w_hh, self.bias = buffer(4, D, H), buffer(4, H, H), buffer(4, 1, H)
        self.projected = buffer(4, T * B, H)
        self.gates = buffer(T, 5, B, H)  # i, f, o, g and the c before this step
        self.products = buffer(2, B, H)  # i * g and f * c
        self.c_last, self.tanh_c = buffer(B, H), buffer(T, B, H)
        self.h = buffer(T + 1, B, H)  # h[0] is h0

        self.piece = max(1, min(T, piece // (4 * B * H)))
        self.local = buffer(self.piece, 4, B, H)  # dc/d(i, f, g) and dh/do, by pre-activation
        self.local_c = buffer(self.piece, B, H)  # dh/dc
        self.d_gates = buffer(T, B, 4, H)  # i, f, g, o: PyTorch's order, ready for the products
        self.d_h, self.d_c, self.d_c_from_h = buffer(B, H), buffer(B, H), buffer(B, H)
        self.d_w_ih, self.d_w_hh, self.d_bias = buffer(4 * H, D), buffer(4 * H, H), buffer(4 * H)

    def forward(self, x, h0, c0):
        """The hidden states of all steps, (T, B, H), from x (T, B, D) and h0, c0 (B, H)."""
        T, B, D, _ = self.sizes
        self.x = x.reshape(T * B, D)
        self._load_parameters()
        np.matmul(self.x, self.w_ih, out=self.projected)
        np.add(self.projected, self.bias, out=self.projected)
        self.h[0], self.gates[0, 4] = h0, c0
        self._forward_steps()
        return self.h[1:]

    def _load_parameters(self):
        """Transpose the weights, order them i, f, o, g and halve those of the sigmoids."""
        H = self.sizes[-1]
        p = self.parameters
        half, one = self.half, self.one
        for block, (gate, scale) in enumerate([(0, half), (1, half), (3, half), (2, one)]):
            rows = slice(gate * H, (gate + 1) * H)
            np.multiply(p["weight_ih_l0"][rows].T, scale, out=self.w_ih[block])
            np.multiply(p["weight_hh_l0"][rows].T, scale, out=self.w_hh[block])
            np.add(p["bias_ih_l0"][rows], p["bias_hh_l0"][rows], out=self.bias[block, 0])
            np.multiply(self.bias[block], scale, out=self.bias[block])

    def _forward_steps(self):
        T, B, _, H = self.sizes
        gates, h, half, w_hh, products = self.gates, self.h, self.half, self.w_hh, self.products
        product_i, product_f = products
        steps = zip(
            h[:-1],
            self.projected.reshape(4, T, B, H).swapaxes(0, 1),
            gates[:, :4],
            gates[:, :3],
            gates[:, :2],
            gates[:, 3:],
            gates[:, 2],
            [*gates[1:, 4], self.c_last],
            self.tanh_c,
            h[1:],
            strict=True,
        )
        for h_before, from_x, ifog, ifo, i_f, g_c, o, c, tanh_c, h_after in steps:
            np.matmul(h_before, w_hh, out=ifog)
            np.add(ifog, from_x, out=ifog)
            np.tanh(ifog, out=ifog)
            np.multiply(ifo, half, out=ifo)
            np.add(ifo, half, out=ifo)
            np.multiply(i_f, g_c, out=products)
            np.add(product_i, product_f, out=c)
            np.tanh(c, out=tanh_c)
            np.multiply(o, tanh_c, out=h_after)

    def backward(self, d_outputs):
        """The gradients of all parameters and of h0, c0, from that of the outputs, (T, B, H)."""
        T, B, _, H = self.sizes
        self.d_h.fill(0)
        self.d_c.fill(0)
        for start in reversed(range(0, T, self.piece)):
            stop = min(T, start + self.piece)
            self._local_derivatives(start, stop)
            self._backward_steps(d_outputs, start, stop)

        d_gates = self.d_gates.reshape(T * B, 4 * H)
        np.dot(d_gates.T, self.x, out=self.d_w_ih)
        np.dot(d_gates.T, self.h[:-1].reshape(T * B, H), out=self.d_w_hh)
        np.dot(self.ones, d_gates, out=self.d_bias)
        return {
            "weight_ih_l0": self.d_w_ih,
            "weight_hh_l0": self.d_w_hh,
            "bias_ih_l0": self.d_bias,
            "bias_hh_l0": self.d_bias,
            "h0": self.d_h,
            "c0": self.d_c,
        }

    def _local_derivatives(self, start, stop):
        """Everything in the backward steps that does not depend on what flows back."""
        one = self.one
        gates, tanh_c = self.gates[start:stop], self.tanh_c[start:stop]
        i, i_f, g_c = gates[:, 0], gates[:, :2], gates[:, 3:]
        o, g = gates[:, 2], gates[:, 3]
        local, local_c = self.local[: stop - start], self.local_c[: stop - start]
        for_i_f, for_g, for_o = local[:, :2], local[:, 2], local[:, 3]

        np.subtract(one, i_f, out=for_i_f)  # (1 - i) i g  and  (1 - f) f c_before
        np.multiply(for_i_f, i_f, out=for_i_f)
        np.multiply(for_i_f, g_c, out=for_i_f)
        np.multiply(g, g, out=for_g)  # (1 - g g) i
        np.subtract(one, for_g, out=for_g)
        np.multiply(for_g, i, out=for_g)
        np.subtract(one, o, out=for_o)  # (1 - o) o tanh(c)
        np.multiply(for_o, o, out=for_o)
        np.multiply(for_o, tanh_c, out=for_o)
        np.multiply(tanh_c, tanh_c, out=local_c)  # (1 - tanh(c) tanh(c)) o
        np.subtract(one, local_c, out=local_c)
        np.multiply(local_c, o, out=local_c)

    def _backward_steps(self, d_outputs, start, stop):
        _, B, _, H = self.sizes
        d_h, d_c, d_c_from_h = self.d_h, self.d_c, self.d_c_from_h
        weight_hh = self.parameters["weight_hh_l0"]
        local, local_c = self.local[: stop - start], self.local_c[: stop - start]
        d_gates = self.d_gates[start:stop]
        blocks = d_gates.swapaxes(1, 2)
        steps = zip(
            d_outputs[start:stop][::-1],
            local_c[::-1],
            local[::-1, :3],
            local[::-1, 3],
            self.gates[start:stop][::-1, 1],
            blocks[::-1, :3],
            blocks[::-1, 3],
            d_gates.reshape(-1, B, 4 * H)[::-1],
            strict=True,
        )
        for d_output, dh_dc, for_ifg, for_o, f, d_ifg, d_o, d_row in steps:
            np.add(d_h, d_output, out=d_h)
            np.multiply(d_h, dh_dc, out=d_c_from_h)
            np.add(d_c, d_c_from_h, out=d_c)
            np.multiply(d_c, for_ifg, out=d_ifg)
            np.multiply(d_h, for_o, out=d_o)
            np.multiply(d_c, f, out=d_c)
            np.dot(d_row, weight_hh, out=d_h)
