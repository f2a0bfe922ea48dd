"""One report of the tiny suite, for all tests of it."""

import pytest


@pytest.fixture(scope="session")
def report(suite, home, tmp_path_factory):
    """The folder of a finished report."""
    from madis_lib.reporting.reproduce import reproduce

    page = reproduce("tiny", home, tmp_path_factory.mktemp("reports"), None, notebooks=False)
    return page.parent
