"""Mutation testing of the gradient rules and of the walk: `python -m tests.mutation`.

Every small mistake in `ops.py`, `corners.py`, `einsum.py` and `graph.py` must make some test fail,
or be listed in `equivalent.py` with the reason why it is none. (mutmut mutates the bodies of
functions only, and the rules are lambdas; cosmic-ray starts a process for each mutant: hours.)

Read in this order: `mutants.py`, `campaign.py`, `equivalent.py`.
"""
