from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.collect.site import Site, serving, spoil


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        spoil(site)
        yield site
