import pytest

from tests.indexes import KINDS, fresh_database
from tests.storage.outbox.rows import make_report


@pytest.fixture(params=KINDS)
def db(request, tmp_path):
    with fresh_database(request, tmp_path, request.param) as database:
        yield database


@pytest.fixture
def report_id(db):
    return make_report(db)
