"""Few-label learning on embeddings: fit, report. Pure NumPy, SciPy and scikit-learn, no I/O."""
