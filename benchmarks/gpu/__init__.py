"""Everything that needs a GPU, measured in one resumable, offline run; see docs/gpu.md."""
