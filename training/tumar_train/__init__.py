"""Trains a finger encoder for Tumar on prints of one's own, and says how good it is."""

import os

# Sums over many threads may be added in another order; one thread gives the same bytes. JAX threads on its own, in a fixed order.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

__version__ = "0.1.0"
