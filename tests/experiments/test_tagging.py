"""Tags by an independent rule, files kept apart, and the net that looks both ways."""

import re

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.experiments.tagging import (
    AMINO,
    CODE,
    Dna,
    Tagging,
    gene,
    stdlib_files,
    token_classes,
    translated,
)
from tinygrad_rnn.fit import Fit

CELLS = ("rnn", "lstm", "gru")


class Small(Tagging):
    files, pieces, T, H = (4, 2, 2), 12, 40, 12


class SmallDna(Dna):
    sizes, H = (120, 20, 30), 16


@pytest.fixture(scope="module")
def task():
    return Small(seed=3)


def test_classes_of_a_line_written_by_hand():
    code = "def f(x):  # a 'q'\n    return 'if #' + 1.5\n"
    kinds = token_classes(code)
    assert len(kinds) == len(code)
    found = [(m.group(), {*kinds[m.start() : m.end()]}) for m in re.finditer(r"'if #'|\w+", code)]
    assert ("def", {"keyword"}) in found and ("f", {"name"}) in found
    assert ("q", {"comment"}) in found and ("'if #'", {"string"}) in found
    assert {*kinds[code.index("1.5") :][:3]} == {"number"}


def test_an_f_string_is_one_string_in_every_python_version():
    code = 'f"a {b + 1} c"\n'
    assert token_classes(code) == ["string"] * (len(code) - 1) + ["space"]


def test_classes_agree_with_the_characters(task):
    for texts, tags in task.texts.values():
        for text, kinds in zip(texts, tags, strict=True):
            for character, kind in zip(text, kinds, strict=True):
                if kind in ("name", "keyword"):
                    assert character.isidentifier() or character.isdigit()
                if kind == "operator":
                    assert not character.isalnum()


def test_the_parts_come_from_different_files(task):
    files = stdlib_files()
    assert len(set(files)) == len(files) >= sum(Tagging.files)
    long = {
        part: {text for text in texts if len(text.strip()) > 30}
        for part, (texts, _) in task.texts.items()
    }
    assert not long["train"] & long["test"] and not long["train"] & long["validation"]


def test_the_seed_decides(task):
    assert Small(seed=3).texts == task.texts
    assert Small(seed=4).texts != task.texts


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_decreases(task, cell):
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=6)
    rows = list(run.epochs_left())
    assert rows[-1].loss < 0.9 * rows[0].loss
    assert 0 <= rows[-1].score <= 1


def test_examples_show_one_way_beside_both_ways(task):
    short = Small(seed=3)
    short.epochs = 1
    first, signs, *rest = short.examples(short.model("gru", np.random.default_rng(0)))
    assert re.search(r"always '\w+' 0\.\d+, one-way GRU 0\.\d+, bidirectional 0\.\d+", first)
    assert signs.startswith("signs: # comment, ") and len(rest) == 6


def test_a_conll_file(tmp_path):
    path = tmp_path / "tags.conll"
    path.write_text("\n\n".join("the D\ncat N\n" + "sees V\n" * (k % 3) for k in range(20)) + "\n")
    task = Tagging(source=path)
    assert sum(len(task.parts[part][0]) for part in task.parts) == 20
    assert task.tags.symbols == ("D", "N", "V")
    assert task.baseline()[1] == 1  # each word has one tag here
    model = task.model("gru", np.random.default_rng(0))
    assert 0 <= Fit(task, model).score("test") <= 1
    task.epochs = 1
    assert "/" in task.examples(model)[1]


def test_too_few_sentences(tmp_path):
    path = tmp_path / "tags.conll"
    path.write_text("a X\n\nb Y\n")
    with pytest.raises(ValueError, match=r"2 sentences: at least 10"):
        Tagging(source=path)


@pytest.mark.slow
def test_it_beats_the_baseline_and_one_way():
    task = Tagging()
    score, run = learned(task, 0.965)
    assert score > 0.95 > task.baseline()[1] + 0.3
    one_way = float(task.examples(run.model)[0].split("GRU ")[1].split(",")[0])
    assert one_way + 0.02 < score


# ---------------------------------------------------------------- DNA
def test_translation_of_human_insulins_first_codons():
    """MALWMRLL: the signal peptide, as every textbook has it."""
    dna = "GCC" + "ATGGCCCTGTGGATGCGCCTCCTG"
    assert translated(dna)[:3] == "---"
    assert translated(dna)[3::3] == "MALWMRLL"


def test_translation_stops_and_needs_a_start():
    assert translated("ATGTAGATGCCC") == "MMM***------"
    assert translated("CCCCC") == "-----" and translated("ATGCC") == "MMM--"


def test_the_code_by_families_of_codons():
    """Counts of codons an amino acid has: 6 for L, S, R; 1 for M, W; 3 stops (Crick 1968)."""
    assert len(CODE) == 64 and len(set(AMINO)) == 21
    assert {a: AMINO.count(a) for a in "LSRMW*I"} == {
        "L": 6, "S": 6, "R": 6, "M": 1, "W": 1, "*": 3, "I": 3
    }  # fmt: skip
    for pair in ("GC", "GG", "CC", "AC", "GT", "CT", "CG", "TC"):  # the third letter is free
        assert len({CODE[pair + third] for third in "ACGT"}) == 1


def test_genes_have_a_start_and_whole_codons():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = translated(gene(rng))
        inside = labels.strip("-")
        assert inside.startswith("MMM") and len(inside) % 3 == 0
        assert all(inside[k] == inside[k + 1] == inside[k + 2] for k in range(0, len(inside), 3))


def test_dna_parts_are_seeded_ragged_and_apart():
    task = SmallDna(seed=1)
    assert SmallDna(seed=1).texts == task.texts and SmallDna(seed=2).texts != task.texts
    train, test = set(task.texts["train"][0]), set(task.texts["test"][0])
    assert not train & test and len({len(dna) for dna in test}) > 10


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_on_dna_decreases(cell):
    task = SmallDna()
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=3)
    rows = list(run.epochs_left())
    assert rows[-1].loss < 0.9 * rows[0].loss
    assert 0 <= rows[-1].score <= 1
    dna, truth, answer, *_ = task.examples(run.model)
    assert len(dna) == len(truth) == len(answer)


def test_a_fasta_file(tmp_path):
    path = tmp_path / "genes.fasta"
    rng = np.random.default_rng(0)
    path.write_text(
        "".join(f">g{k}\n{gene(rng).lower()}\n" for k in range(19)) + ">long\n" + "A" * 130
    )
    task = Dna(source=path)
    assert [len(texts) for texts, _ in task.texts.values()] == [14, 3, 4]
    assert max(len(dna) for texts, _ in task.texts.values() for dna in texts) == 120
    path.write_text(">short\nACGT\n")
    with pytest.raises(ValueError, match="1 pieces of 120: at least 10"):
        Dna(source=path)
    path.write_text(">rna\nACGU\n")
    with pytest.raises(ValueError, match="'U', letter 4"):
        Dna(source=path)


@pytest.mark.slow
def test_dna_learns_to_beat_the_baseline():
    task = Dna()
    score, _ = learned(task, 0.96)
    assert score > 0.95 > task.baseline()[1] + 0.2
