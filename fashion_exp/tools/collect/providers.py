"""The providers that a plan names, ready to be asked."""

from __future__ import annotations

from fashion_exp.tools.collect.candidate import Provider
from fashion_exp.tools.collect.fetching import Fetcher
from fashion_exp.tools.collect.local_providers import Folder, Listed
from fashion_exp.tools.collect.openverse import Openverse
from fashion_exp.tools.collect.plan import OpenverseSource, UrlsSource
from fashion_exp.tools.collect.plan_file import PlanFile


def providers(file: PlanFile, fetcher: Fetcher, most: int, token: str) -> list[Provider]:
    """`most`: bytes of a picture; `token`: for Openverse. Raises `InputError` for lists and
    folders that are not there."""
    plan, found = file.plan, list[Provider]()
    for source in plan.providers:
        if isinstance(source, OpenverseSource):
            found.append(Openverse(source, plan, fetcher, most, token))
        elif isinstance(source, UrlsSource):
            found.append(Listed(file.beside(source.file), plan, fetcher, most))
        else:
            found.append(Folder(file.beside(source.path), source, plan, most))
    return found
