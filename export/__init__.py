"""A training run or a public checkpoint -> a package, proven; packages -> what serves them.

Making packages needs the `export` extra, a Triton model repository only `triton`.
"""
