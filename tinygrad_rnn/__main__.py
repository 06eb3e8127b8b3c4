"""`python -m tinygrad_rnn` is `tinygrad-rnn`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
