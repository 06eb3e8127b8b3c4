"""Wrong gradients of LSTM and GRU, one step and through time: gates, paths, blocks, carries.

LSTM: z = x_t W + h U + b in blocks i, f, g, o;  c' = f c + i g;  h' = o tanh(c').
GRU: r, u gates (u keeps the old state);  n = tanh(x_t Wn + r (h Un));  h' = (1 - u) n + u h.
"""

from __future__ import annotations

import numpy as np

from .elementwise import sigmoid
from .entry import (
    COTANGENT,
    EDGE,
    EVERYWHERE,
    LOCAL,
    MISSING,
    SIGN,
    SWAPPED,
    TIME,
    TWICE,
    VALUE,
    Function,
    Inputs,
    Sizes,
    uses,
)
from .recurrent import CARRY, LAST, PREVIOUS, TRUNCATED, lengths

BLOCKS = r"block|gate|order|split|part|slice"


# ---------------------------------------------------------------- LSTM
def gates(x_t, h, W, U, b):
    i, f, g, o = np.split(x_t @ W + h @ U + b, 4, axis=-1)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)


def lstm_step(x, h, c, W, U, b):
    i, f, g, o = gates(x, h, W, U, b)
    c = f * c + i * g
    return o * np.tanh(c), c


def lstm_step_backward(gs, x, h, c, W, U, b, mistake=""):
    dh, dc = gs
    i, f, g, o = gates(x, h, W, U, b)
    new = f * c + i * g
    t = np.tanh(new)
    slope = 1 - (np.tanh(t) if mistake == "tanh of tanh" else t) ** 2
    if mistake == "1 / (1 - tanh(c)^2)":
        slope = 1 / slope
    if mistake == "the slope of tanh(c) is forgotten":
        slope = 1
    through_h = 0 if mistake == "the path h' -> c' is missing" else dh * o * slope
    dc = through_h if mistake == "the cotangent of c is dropped" else dc + through_h
    if mistake == "dc += dc":
        dc = dc + dc
    do = dh * (new if mistake == "do from c, not tanh(c)" else t)
    df = dc * (new if mistake == "df from the new c" else c)
    di, dg = dc * g, dc * i
    if mistake == "di and dg swapped":
        di, dg = dg, di
    if mistake == "the sign of df":
        df = -df
    zi, zf, zo = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)
    zg = dg * (1 - g**2)
    if mistake == "the forget gate's slope is missing":
        zf = df
    if mistake == "the candidate's slope is a sigmoid's":
        zg = dg * g * (1 - g)
    if mistake == "the input gate's slope is tanh's":
        zi = di * (1 - i**2)
    blocks = [zi, zf, zg, zo]
    if mistake == "blocks in the order i, f, o, g":
        blocks = [zi, zf, zo, zg]
    dz = np.concatenate(blocks, axis=-1)
    dc_old = dc if mistake == "c carried without f" else dc * f
    return dz @ W.T, dz @ U.T, dc_old, x.T @ dz, h.T @ dz, dz.sum(axis=0)


def lstm_step_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    B, D, H = n[:3]
    shapes = (B, D), (B, H), (B, H), (D, 4 * H), (H, 4 * H), (4 * H,)
    return tuple(0.8 * rng.normal(size=s) for s in shapes)


cell = Function("LSTM cell", lstm_step, lstm_step_backward, lstm_step_inputs)
cell.flagged("tanh of tanh", LOCAL, ["tanh", "of tanh|again|twice|of the output|own output"])
cell.flagged("1 / (1 - tanh(c)^2)", LOCAL, ["tanh", r"divid|invers|reciprocal|1 ?/ ?\(?1"])
cell.flagged("the slope of tanh(c) is forgotten", LOCAL, ["tanh", MISSING])
cell.flagged("the path h' -> c' is missing", EDGE, ["tanh|c'", MISSING])
cell.flagged(
    "the cotangent of c is dropped", COTANGENT, ["second|output 1|y1|g1|1\\]|last", MISSING]
)
cell.flagged("dc += dc", EDGE, [TWICE, "c|add|path"])
cell.flagged(
    "do from c, not tanh(c)",
    VALUE,
    [uses(r"c(_t)?\b|the new|\(f"), r"tanh\(c"],
)
cell.flagged("df from the new c", VALUE, [uses(r"c\b|c'|the new|\(f"), r"\bf\b"])
cell.flagged("di and dg swapped", VALUE, [SWAPPED + "|itself"])
cell.flagged("the sign of df", EDGE, [SIGN])
cell.flagged(
    "the forget gate's slope is missing", LOCAL, ["sigmoid|exp|slope|divide|gate", MISSING]
)
cell.flagged(
    "the candidate's slope is a sigmoid's", LOCAL, ["tanh", r"sigmoid|logistic|y ?\*? ?\(1 - y\)"]
)
cell.flagged("the input gate's slope is tanh's", LOCAL, ["tanh|1 - "])
cell.flagged("blocks in the order i, f, o, g", EVERYWHERE, [BLOCKS, SWAPPED])
cell.flagged("c carried without f", EDGE, [r"\bd?c\b", MISSING + "|factor", r"\bf\b|multipl|\*"])


def lstm(x, h, c, W, U, b):
    states = []
    for x_t in x:
        h, c = lstm_step(x_t, h, c, W, U, b)
        states.append(h)
    return np.stack(states), c


def lstm_states(x, h, c, W, U, b):
    """[(h, c)] before each step."""
    kept = []
    for x_t in x:
        kept.append((h, c))
        h, c = lstm_step(x_t, h, c, W, U, b)
    return [*kept, (h, c)]


def lstm_backward(gs, x, h0, c0, W, U, b, mistake=""):
    kept = lstm_states(x, h0, c0, W, U, b)
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh, dc = np.zeros_like(h0), gs[1]
    if mistake == "the last c's cotangent is dropped":
        dc = np.zeros_like(c0)
    for t in reversed(range(len(x))):
        h, c = kept[t]
        if mistake == "the hidden gradient is not passed back":
            dh = 0
        if mistake == "the hidden gradient is passed back twice":
            dh = dh + dh
        if mistake == "= for += at the cell state" and t < len(x) - 1:
            dc = 0 * dc
        if mistake == "dc += dc at every step":
            dc = dc + dc
        if mistake == "truncated after three steps" and t < len(x) - 3:
            dh, dc = 0 * dh, 0 * dc
        if mistake == "no more steps after three" and t < len(x) - 3:
            break
        one = (gs[0][t] + dh, dc), x[t], h, c, W, U, b
        dx[t], dh, dc, dW_t, dU_t, db_t = lstm_step_backward(*one, mistake=mistake)
        if mistake == "dU from h_t":
            dU_t = kept[t + 1][0].T @ step_rows(one)
        dW, dU, db = dW + dW_t, dU + dU_t, db + db_t
        if mistake == "dU assigned in the loop":
            dU = dU_t
        if mistake == "dW assigned in the loop":
            dW = dW_t
    return dx, dh, dc, dW, dU, db


def step_rows(one):
    """dL/dz of one step, (B, 4H): the gradient of b for each example by itself."""
    gs, x, h, c, W, U, b = one
    rows = [slice(k, k + 1) for k in range(len(x))]
    each = [lstm_step_backward((gs[0][k], gs[1][k]), x[k], h[k], c[k], W, U, b)[-1] for k in rows]
    return np.stack(each)


def lstm_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, D, H = lengths(n)
    shapes = (T, B, D), (B, H), (B, H), (D, 4 * H), (H, 4 * H), (4 * H,)
    return tuple(0.7 * rng.normal(size=s) for s in shapes)


through = Function("LSTM", lstm, lstm_backward, lstm_inputs)
through.flagged(
    "the last c's cotangent is dropped", COTANGENT, ["second|output 1|y1|g1|1\\]|last", MISSING]
)
through.flagged("the hidden gradient is not passed back", TIME, [MISSING + "|identity", CARRY])
through.flagged("the hidden gradient is passed back twice", TIME, [TWICE, CARRY])
through.flagged(
    "= for += at the cell state", TIME, [MISSING + "|assign", r"\bc\b|c'|cell|carr|step"]
)
through.flagged("dc += dc at every step", TIME, [TWICE, r"\bc\b|c'|cell|carr|step"])
through.flagged("truncated after three steps", TIME, [TRUNCATED, "3|three"])
through.flagged("no more steps after three", TIME, [TRUNCATED, "3|three"])
through.flagged("dU from h_t", VALUE, ["U", PREVIOUS])
through.flagged("dU assigned in the loop", TIME, ["U", LAST])
through.flagged("dW assigned in the loop", TIME, ["W", LAST])
through.flagged("tanh of tanh", LOCAL, ["tanh", "of tanh|again|twice|of the output|own output"])
through.flagged("1 / (1 - tanh(c)^2)", LOCAL, ["tanh", r"divid|invers|reciprocal|1 ?/ ?\(?1"])
through.flagged("the path h' -> c' is missing", EDGE, ["tanh|c'", MISSING])
through.flagged("df from the new c", VALUE, [uses(r"c_t\b|the new|\(f"), r"\bf_t\b"])
through.flagged(
    "the forget gate's slope is missing", LOCAL, ["sigmoid|exp|slope|divide|gate", MISSING]
)
through.flagged(
    "the candidate's slope is a sigmoid's", LOCAL, ["tanh", r"sigmoid|logistic|y ?\*? ?\(1 - y\)"]
)
through.flagged("blocks in the order i, f, o, g", EVERYWHERE, [BLOCKS, SWAPPED])
through.flagged("c carried without f", EDGE, [MISSING + "|factor", r"\bf\b|multipl|\*|c\b"])
through.flagged("the sign of df", EDGE, [SIGN])
through.flagged(
    "do from c, not tanh(c)",
    VALUE,
    [uses(r"c(_t)?\b|the new|\(f"), r"tanh\(c"],
)


# ---------------------------------------------------------------- GRU
def gru_step(x, h, W, U, b):
    """W (D, 3H), U (H, 3H), b (3H): blocks r, u, n."""
    H = h.shape[1]
    a, z = x @ W + b, h @ U
    r, u = sigmoid(a[:, :H] + z[:, :H]), sigmoid(a[:, H : 2 * H] + z[:, H : 2 * H])
    n = np.tanh(a[:, 2 * H :] + r * z[:, 2 * H :])
    return (1 - u) * n + u * h


def gru_step_backward(g, x, h, W, U, b, mistake=""):
    H = h.shape[1]
    a, z = x @ W + b, h @ U
    r, u = sigmoid(a[:, :H] + z[:, :H]), sigmoid(a[:, H : 2 * H] + z[:, H : 2 * H])
    n = np.tanh(a[:, 2 * H :] + r * z[:, 2 * H :])
    dn = g * (u if mistake == "dn with u for 1 - u" else 1 - u)
    du = g * (n - h if mistake == "the sign of du" else h - n)
    if mistake == "du without the candidate":
        du = g * h
    if mistake == "du without the old state":
        du = -g * n
    dzn = dn if mistake == "the candidate's slope is missing" else dn * (1 - n**2)
    dr = 0 if mistake == "the path through r is missing" else dzn * z[:, 2 * H :]
    if mistake == "dr from h, not from h U":
        dr = dzn * h
    dzr = dr * r * (1 - r)
    dzu = du * (r * (1 - r) if mistake == "the slope of r for u" else u * (1 - u))
    into = dzn if mistake == "r is forgotten on the way to U" else dzn * r
    da = np.concatenate([dzr * np.ones_like(h), dzu, dzn], axis=1)
    dz = np.concatenate([dzr * np.ones_like(h), dzu, into], axis=1)
    if mistake == "r and u in the other order":
        da, dz = (
            np.concatenate([y[:, H : 2 * H], y[:, :H], y[:, 2 * H :]], axis=1) for y in (da, dz)
        )
    dh = dz @ U.T + (0 if mistake == "the direct path u h is missing" else g * u)
    if mistake == "only the direct path":
        dh = g * u
    return da @ W.T, dh, x.T @ da, h.T @ dz, da.sum(axis=0)


def gru_step_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    B, D, H = n[:3]
    return tuple(0.8 * rng.normal(size=s) for s in ((B, D), (B, H), (D, 3 * H), (H, 3 * H), 3 * H))


GRU_STEP = {
    "dn with u for 1 - u": (VALUE, [uses("u"), "1 - u"]),
    "the sign of du": (EDGE, [SIGN]),
    "du without the candidate": (EDGE, [MISSING, r"subtract|1 - |path|->|\bn\b|tanh"]),
    "du without the old state": (EDGE, [MISSING, r"\bh\b|path|->"]),
    "the candidate's slope is missing": (LOCAL, ["tanh", MISSING]),
    "the path through r is missing": (EDGE, [MISSING, r"\br\b|path|->|reset|multiply"]),
    "dr from h, not from h U": (VALUE, [uses(r"h\b"), r"\bd?r\b"]),
    "the slope of r for u": (VALUE, [r"\bd?r\b", r"\bd?u\b", "sigmoid|gate|slope|uses"]),
    "r is forgotten on the way to U": (
        LOCAL,
        [MISSING + "|factor|operand", r"\br\b|multipl|\*|reset"],
    ),
    "r and u in the other order": (EVERYWHERE, [BLOCKS, SWAPPED]),
    "the direct path u h is missing": (EDGE, [r"\bd?h\b", MISSING, r"path|->|multiply|\bu\b|\*"]),
    "only the direct path": (EDGE, [r"\bd?h\b", MISSING, r"matmul|@|path|U|->"]),
}

gru_cell = Function("GRU cell", gru_step, gru_step_backward, gru_step_inputs)
for _name, (_family, _says) in GRU_STEP.items():
    gru_cell.flagged(_name, _family, _says)


def gru(x, h, W, U, b):
    states = []
    for x_t in x:
        h = gru_step(x_t, h, W, U, b)
        states.append(h)
    return np.stack(states)


def gru_backward(g, x, h0, W, U, b, mistake=""):
    h = [h0, *gru(x, h0, W, U, b)]
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        if mistake == "the hidden gradient is not passed back":
            dh = 0
        total = g[t] + (dh + dh if mistake == "the carried gradient counts twice" else dh)
        if mistake == "truncated: the last two steps" and t < len(x) - 2:
            break
        state = h[t + 1] if mistake == "the gates recomputed from h_t" else h[t]
        dx[t], dh, dW_t, dU_t, db_t = gru_step_backward(total, x[t], state, W, U, b, mistake)
        dW, dU, db = dW + dW_t, dU + dU_t, db + db_t
        if mistake == "dU assigned in the loop":
            dU = dU_t
    return dx, dh, dW, dU, db


def gru_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, D, H = lengths(n)
    return tuple(
        0.7 * rng.normal(size=s) for s in ((T, B, D), (B, H), (D, 3 * H), (H, 3 * H), 3 * H)
    )


GRU_TIME = {
    "the hidden gradient is not passed back": (TIME, [MISSING + "|identity", CARRY]),
    "the carried gradient counts twice": (TIME, [TWICE, CARRY]),
    "truncated: the last two steps": (TIME, [TRUNCATED, "2|two"]),
    "the gates recomputed from h_t": (VALUE, [PREVIOUS]),
    "dU assigned in the loop": (TIME, ["U", LAST]),
}

gru_time = Function("GRU", gru, gru_backward, gru_inputs)
for _name, (_family, _says) in GRU_TIME.items():
    gru_time.flagged(_name, _family, _says)
for _name in (
    "the sign of du",
    "the candidate's slope is missing",
    "the path through r is missing",
    "r is forgotten on the way to U",
    "the direct path u h is missing",
    "only the direct path",
    "r and u in the other order",
    "dn with u for 1 - u",
):
    gru_time.flagged(_name, *GRU_STEP[_name])
