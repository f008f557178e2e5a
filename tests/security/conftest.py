"""An authority for the tests of this folder, and where it writes."""

import pytest

from tests.support.certificates import Authority


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="session")
def authority(folder):
    return Authority(folder)
