from tests.service.storage.conftest import database as database  # noqa: PLC0414
from tests.service.storage.conftest import url as url  # noqa: PLC0414
