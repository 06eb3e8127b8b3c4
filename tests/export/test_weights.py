"""Weights on disk are plain arrays, written whole."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.export import load_weights, save_weights


def test_round_trip(tmp_path):
    lstm = tg.nn.LSTM(3, 4, rng=0)
    save_weights(lstm.state_dict(), tmp_path / "w.npz")
    loaded = load_weights(tmp_path / "w.npz")
    assert list(loaded) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    other = tg.nn.LSTM(3, 4, rng=1)
    other.load_state_dict(loaded)
    for p, q in zip(lstm.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_no_pickle_is_ever_loaded(tmp_path):
    np.savez(tmp_path / "bad.npz", w=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"not a \.npz archive of plain arrays"):
        load_weights(tmp_path / "bad.npz")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "w.npz").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"not a \.npz archive"):
        load_weights(tmp_path / "w.npz")
    with pytest.raises(ValueError, match=r"kept in \.npz or"):
        save_weights({}, tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "none.npz")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    save_weights({"w": np.arange(3)}, path)

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights({"w": np.arange(9)}, path)
    assert load_weights(path)["w"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_layouts_and_shapes_survive(tmp_path, ending):
    if ending == ".safetensors":
        pytest.importorskip("safetensors", reason="pip install 'tinygrad_rnn[io]'")
    w = np.arange(6.0).reshape(2, 3)
    state = {"w": w.T, "strided": w[:, ::2], "number": np.array(3.0), "empty": np.zeros((0, 2))}
    state["half"] = w.astype(np.float32)[::-1]
    save_weights(state, tmp_path / f"w{ending}")
    loaded = load_weights(tmp_path / f"w{ending}")
    assert list(loaded) == list(state) or set(loaded) == set(state)
    for name, array in state.items():
        assert loaded[name].shape == array.shape
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_safetensors_are_what_pytorch_writes(tmp_path):
    torch = pytest.importorskip("torch", reason="the oracle")
    files = pytest.importorskip("safetensors.torch", reason="pip install 'tinygrad_rnn[io]'")
    theirs = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True).double()
    files.save_file(theirs.state_dict(), tmp_path / "lstm.safetensors")
    ours = tg.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    ours.load_state_dict(load_weights(tmp_path / "lstm.safetensors"))
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    np.testing.assert_allclose(
        ours(x)[0].data, theirs(torch.tensor(x))[0].detach().numpy(), rtol=1e-12, atol=1e-15
    )


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    pytest.importorskip("safetensors", reason="pip install 'tinygrad_rnn[io]'")
    (tmp_path / "w.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"w\.safetensors is not a \.safetensors file"):
        load_weights(tmp_path / "w.safetensors")
