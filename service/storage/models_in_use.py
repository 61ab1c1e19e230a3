"""Which models collections and heads are of."""

from sqlalchemy import Engine, select, union

from service.storage import schema
from service.storage.database import reading


def models_in_use(database: Engine) -> list[str]:
    """The models, as `name@version`, that the collections and heads were made with."""
    of = union(select(schema.collections.c.model), select(schema.heads.c.model))
    with reading(database) as connection:
        return sorted(connection.scalars(of))
