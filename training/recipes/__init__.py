"""Recipes: one small file each; its docstring says what it costs and reaches."""
