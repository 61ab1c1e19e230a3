"""Names of collections and heads: one pattern, in paths and in bodies."""

from typing import Annotated

from pydantic import Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Name = Annotated[str, Field(pattern=NAME)]
"""A name in a body."""
