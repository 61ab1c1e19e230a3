"""Images to embeddings: the encoders that are served, their queues, caches and readiness."""
