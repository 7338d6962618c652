"""The rows that searches have."""

import pytest

from tests.tuning.searches import rows


@pytest.fixture
def train():
    return rows()
