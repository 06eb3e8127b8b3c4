"""`python -m tinygrad_rnn` is `tinygrad-rnn`."""

from .cli import main

raise SystemExit(main())
