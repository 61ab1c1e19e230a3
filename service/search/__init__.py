"""Finding items: filters, and the index of a collection, which follows SQL."""
