from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.collect.fake_site import FakeSite, add_misbehaving_paths, running_site


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with running_site() as site:
        add_misbehaving_paths(site)
        yield site
