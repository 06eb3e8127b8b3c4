"""A file that could not be written whole leaves the old one as it was."""

import os
import stat

import pytest

from tinygrad_rnn.files import whole_file


def test_a_failure_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "weights.txt"
    path.write_text("good")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "good"
    assert os.listdir(tmp_path) == ["weights.txt"]


def test_success_replaces_it_and_follows_the_umask(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as file:
        file.write("new\r\n한글")
    assert path.read_bytes() == "new\r\n한글".encode()
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_missing_folder_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "a.txt"):
        pass
