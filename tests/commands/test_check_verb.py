"""`tinygrad-rnn check FILE.py:NAME`: what may be named, where inputs come from, what it says."""

import json

import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.cli import main

FILE = """
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import nn

def right(x, w):
    return tg.tanh(x @ w)

def cut(x, w):
    h = x @ w
    return h * h.detach()

def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def softmax_backward(g, x):
    return g * softmax(x)

pair = (lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g))
wrong_pair = (lambda x, w: x @ w, lambda g, x, w: (g @ w.T, 2 * x.T @ g))

class Layer:
    def forward(self, x, w):
        self.x, self.w = x, w
        return x @ w
    def backward(self, g):
        return g @ self.w.T, self.x.T @ g

class Static:
    @staticmethod
    def forward(x):
        return x * x
    @staticmethod
    def backward(g, x):
        return g * x

class Net(nn.Module):
    def __init__(self, D, H, rng=None):
        super().__init__()
        self.cell = nn.GRU(D, H, rng=rng)
    def forward(self, x):
        return self.cell(x)[0]

net = Net(2, 3, rng=1)
net.inputs = lambda rng: rng.normal(size=(4, 2, 2))

class Told(nn.Module):
    def __init__(self, name: str):
        super().__init__()

@tg.primitive
def cube(x):
    return x**3
cube.gradients(lambda g, out, x: 3 * g * x)

def logarithm(x):
    return tg.log(x)
def logarithm_inputs(rng):
    return rng.uniform(1, 2, (3, 2))

def by_name(b, a):
    return tg.log(a) * b
by_name.inputs = {"a": np.ones(3), "b": np.ones((2, 3))}

def annotated(x: "B, D", w: "D, H", p: float, i: int):
    return (x @ w)[i] * p

def one_row(x, i: int):
    return (x[i] * x[i]).sum()

def looked_up(table, i):
    return table[i]

def many(*xs):
    return xs[0] * xs[1]

def crash(x):
    raise KeyError("no such thing")

def small_sizes_only(x):
    if x.shape[0] > 4:
        return x * x.detach()
    return x * x

def not_finite(x):
    return tg.log(x - 1e9)

three = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def check(capsys, file, name, *words):
    code = main(["check", f"{file}:{name}", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    "name", ["right", "pair", "Layer", "Net", "net", "logarithm", "by_name", "annotated",
             "looked_up"]
)  # fmt: skip
def test_what_is_right(capsys, file, name):
    code, out, err = check(capsys, file, name)
    assert (code, err) == (0, ""), err
    assert "gradient right" in out and "inputs: " in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("softmax", "x  (4, 3)  WRONG"),
        ("wrong_pair", "ratio 2"),
        ("Static", "ratio 0.5"),
        ("cube", "cube: gradient WRONG"),
        ("cut", "multiply, argument 1, called in mine.py:11: return h * h.detach()"),
    ],
)
def test_what_is_wrong(capsys, file, name, said):
    code, out, err = check(capsys, file, name)
    assert (code, err) == (1, "")
    assert said in out and "WRONG" in out


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("three", (), "is a int: a check takes a function, a pair"),
        ("nothing", (), "has no 'nothing'"),
        ("many", (), "--shapes 'x=4,3 y=3,5'"),
        ("crash", (), "no such thing"),
        ("crash", ("--shapes", "x=3"), "in crash: KeyError: 'no such thing'"),
        ("Told", (), "cannot be guessed: make one in the file"),
        ("pair", ("--order", "2"), "--order 2 needs a function of Tensors"),
        ("right", ("--shapes", "x=4,3"), "w missing; the inputs are x, w"),
        ("right", ("--shapes", "x=4,3 w=3,2 q=1"), "there is no q"),
        ("right", ("--shapes", "x=4;3 w=3"), "'x=4;3' is not understood"),
        ("right", ("--shapes", "4,3"), "'4,3' is not NAME=SIZES"),
        ("right", ("--shapes", "x=4,3 w=5,3"), "matmul"),
        ("not_finite", ("--shapes", "x=3"), "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_cannot_be_checked_is_one_line(capsys, file, name, words, said):
    code, out, err = check(capsys, file, name, *words)
    assert code == 2 and out == ""
    assert len(err.strip().splitlines()) == 1 and said in err, err


def test_where_the_inputs_come_from(capsys, file):
    for name, words, said in [
        ("right", (), "x (4, 3), w (3, 5) (found by trial)"),
        ("right", ("--shapes", "w=2,6 x=5,2"), "x (5, 2), w (2, 6) (--shapes)"),
        ("logarithm", (), "x (3, 2) (logarithm_inputs of the file)"),
        ("by_name", (), "b (2, 3), a (3,) (by_name.inputs)"),
        ("net", (), "x (4, 2, 2) (net.inputs)"),
        ("annotated", (), "x (2, 3), w (3, 4), p (), i () (annotations)"),
        ("one_row", (), "x (4, 3), i () (found by trial; annotated: i)"),
        ("looked_up", ("--shapes", "table=5,2 i=int5:7"), "table (5, 2), i (7,) (--shapes)"),
        ("many", ("--shapes", "a=2,3 b=0.5"), "a (2, 3), b () (--shapes)"),
    ]:
        code, out, _ = check(capsys, file, name, *words)
        assert code == 0 and f"inputs: {said}" in out, out


def test_the_parameters_of_a_net_are_named_by_their_paths(capsys, file):
    assert "cell.weight_hh_l0  (12, 4)" in check(capsys, file, "Net")[1]


def test_order_2(capsys, file):
    code, out, _ = check(capsys, file, "right", "--order", "2")
    assert code == 0 and "d/dw of the gradient" in out
    code, out, _ = check(capsys, file, "looked_up", "--order", "2")
    assert code == 0 and "first and second derivatives right" in out


def test_deep_finds_what_one_structure_hides(capsys, file):
    assert check(capsys, file, "small_sizes_only")[0] == 0
    code, out, _ = check(capsys, file, "small_sizes_only", "--shapes", "x=3,4", "--deep")
    assert code == 1 and "checks of other sizes" in out
    code, out, _ = check(capsys, file, "right", "--deep")
    assert code == 0 and "60 checks of other sizes, seeds and scales" in out


def test_json(capsys, file):
    code, out, _ = check(capsys, file, "cut", "--json")
    found = json.loads(out)
    assert code == 1 and found["verdict"] == "wrong" and found["function"] == "cut"
    assert found["places"][0]["op"] == "multiply" and found["places"][0]["line"] == 11
    x = found["results"][0]
    assert x["name"] == "x" and x["shape"] == [4, 3]
    assert x["worst"]["ratio"] == pytest.approx(0.5)
    why = json.loads(check(capsys, file, "wrong_pair", "--json")[1])["diagnosis"]
    assert why["word"] == "certain" and "2" in why["sentence"]
    code, out, _ = check(capsys, file, "right", "--json")
    assert code == 0 and json.loads(out)["verdict"] == "right"


SCHEMA = [
    "function", "verdict", "stage", "order", "seed", "truth", "inputs", "results", "problems",
    "notes", "diagnosis", "places", "error",
]  # fmt: skip


@pytest.mark.parametrize("name", ["nothing_of_that_name", "Told"])
def test_an_error_with_json_is_json(capsys, file, name):
    """It was a line of plain text, on which a program that reads the report would break."""
    code, out, err = check(capsys, file, name, "--json")
    found = json.loads(out)
    assert code == 2 and not err and list(found) == SCHEMA
    assert found["verdict"] == "not compared" and name in found["error"]


def test_the_report_and_the_command_line_have_one_schema(capsys, file):
    for name in ("right", "cut", "wrong_pair"):
        assert list(json.loads(check(capsys, file, name, "--json")[1])) == SCHEMA
    assert list(json.loads(tg.gradcheck(tg.tanh, 0.5).json())) == SCHEMA


def test_the_same_seed_gives_the_same_inputs(capsys, file):
    one, two, other = (check(capsys, file, "cut", "--seed", s)[1] for s in "112")
    assert one == two != other


def test_the_built_in_cells_are_still_checked(capsys):
    assert main(["check", "--cell", "gru", "--hidden", "3", "--order", "2"]) == 0
    assert "d/dweight_hh_l0 of the gradient" in capsys.readouterr().out


def test_help_says_how_to_name_inputs(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    out = capsys.readouterr().out
    for word in ("NAME_backward", "--shapes", "NAME_inputs", "annotations", "exit code: 0 right"):
        assert word in out
