"""Say what is wrong with a gradient, from the forward alone: the learner's code is never read.

The forward is recorded as a graph, the gradient that each mistake would give is computed, and the
one that equals yours in every digit, in three random cases of different shapes, is what was done.

Read in this order: `stand_in.py`, `recorded.py`, `recording.py`, `program.py`, the forward as a
program; `case.py`, `resize.py`, the cases; `words.py`; `slopes.py`, `movements.py`, `indexing.py`,
`values.py`, `compounds.py`, what can be wrong at one place; `mistakes.py`, `field.py`, all places
judged at once; `hypothesis.py`, `whole.py`, `arriving.py`, `everywhere.py`, `recomputed.py`,
`other_operands.py`, `through_time.py`, `carried.py`, `time_table.py`, the other families;
`engine.py`, their order; `answer.py` and `diagnosis.py`, the answer.
"""
