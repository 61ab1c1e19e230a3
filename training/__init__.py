"""Self-supervised training of encoders, and its evaluation. Needs the `train` extra."""

import os

from zoo.store import zoo_home

# Matplotlib keeps its list of fonts in the user's home unless it is told where else.
os.environ.setdefault("MPLCONFIGDIR", str(zoo_home() / "cache" / "matplotlib"))
