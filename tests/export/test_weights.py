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

    def full(file, array, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
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


def test_an_array_may_have_any_name(tmp_path):
    state = {"file": np.ones(2), "a/b": np.zeros((0, 3)), "self": np.array(1.5)}
    save_weights(state, tmp_path / "w.npz")
    for found in (load_weights(tmp_path / "w.npz"), np.load(tmp_path / "w.npz")):
        assert set(found) == set(state)
        for name, array in state.items():
            np.testing.assert_array_equal(found[name], array)


def test_files_that_are_no_weights_are_refused_in_our_words(tmp_path):
    (tmp_path / "junk.npz").write_text("junk")
    np.save(tmp_path / "one.npy", np.ones(2))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([object()], dtype=object))
    for name, message in (("junk", "not a .npz"), ("one", "not a .npz"), ("objects", "never load")):
        with pytest.raises(ValueError, match=message):
            load_weights(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*missing"):
        save_weights({"a": np.ones(1)}, tmp_path / "missing" / "w.npz")


def test_numbers_that_numpy_has_not_are_named(tmp_path):
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    state = torch.nn.LSTM(2, 3).bfloat16().state_dict()
    save_file(state, tmp_path / "half.safetensors")
    with pytest.raises(ValueError, match=r"BF16.* convert them to float32"):
        load_weights(tmp_path / "half.safetensors")
    with pytest.raises(TypeError, match="weight_ih_l0 cannot become an array"):
        tg.nn.LSTM(2, 3).load_state_dict(state)
    with pytest.raises(TypeError, match="a state dict maps names to arrays; given a list"):
        tg.nn.LSTM(2, 3).load_state_dict([1, 2])
