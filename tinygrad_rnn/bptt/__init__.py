"""Back-propagation through time as a thing one can hold: cut it (`truncated`), look at it (`flow`).

Nothing here is a backward pass: both files only start walks and say where they end.
"""

from .flow import (
    find_states,
    gradient_norms,
    gradient_shares,
    gradient_table,
    jacobian_norms,
    spectral_radius,
    state_jacobians,
)
from .truncated import Window, detached, kept_pairs, truncated_bptt, windows
