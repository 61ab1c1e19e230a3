"""Self-supervised training of encoders, and its evaluation. Needs the `train` extra."""
