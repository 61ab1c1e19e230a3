"""What can go wrong with a run."""


class TrainingError(RuntimeError):
    """A run that cannot start, resume or go on; the message says why and what to do."""
