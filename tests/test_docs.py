"""The documentation builds, its links lead somewhere, and its tables are those of the code."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from fashion_exp import stats
from fashion_exp.commands import help
from fashion_exp.configuration.catalog import options
from fashion_exp.paths import PACKAGE
from tests.command_line import tracked_runs
from tests.conftest import REPOSITORY, TinyRun

DOCS = REPOSITORY / "docs"
TOPS = (REPOSITORY, PACKAGE)


class Page(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if tag in ("img", "script", "link", "source") and (
            file := values.get("src", values.get("href"))
        ):
            self.loaded.add(file)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {file: Page(file) for file in sorted(folder.rglob("*.html"))}


@pytest.mark.slow
def test_every_link_and_anchor_of_the_site_exists(site: dict[Path, Page]) -> None:
    broken = []
    for file, page in site.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or file.name == "404.html":
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            known = site[target].anchors if target in site else {""}
            if not target.exists() or unquote(parts.fragment) not in known:
                broken.append(f"{file.name}: {link}")
    assert len(site) > 30 and not broken


@pytest.mark.slow
def test_site_loads_nothing_from_other_servers(site: dict[Path, Page]) -> None:
    outside = {x for page in site.values() for x in page.loaded if re.match("(https?:)?//", x)}
    assert not outside


@pytest.mark.slow
def test_reference_has_every_option_and_subcommand(site: dict[Path, Page]) -> None:
    pages = {file.stem: page.anchors for file, page in site.items()}
    assert {option.name for option in options()} <= pages["options"]
    assert set(help.SUBCOMMANDS) <= pages["commands"]
    assert {"fashion_exp.api.runs.Run.predict", "fashion_exp.api.comparison.compare"} <= pages[
        "python"
    ]
    modules = {
        f"fashion_exp.stats.{module.name}" for module in pkgutil.iter_modules(stats.__path__)
    }
    assert modules | {"fashion_exp.stats.paired.mcnemar"} <= pages["stats"]


def test_readme_is_short_and_its_links_exist() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r'(?:\]\(|src="|srcset=")(?!https?:|#)([^)"]+)', text)
    assert text.count("\n") <= 150
    assert len(targets) > 20 and not [t for t in targets if not (REPOSITORY / t).exists()]


def described(page: str, heading: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    return {
        name
        for row in table[0].splitlines()[2:]
        for name in re.findall("`([^`]+)`", row.split("|")[1])
    }


def test_code_map_has_every_package_and_folder() -> None:
    names = described("architecture.md", "## Code map")
    parts = {f"{init.parent.name}/" for init in PACKAGE.glob("*/__init__.py")}
    parts |= {file.name for file in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert len(parts) > 25 and parts <= names
    unknown = {name for name in names if not any((top / name).exists() for top in TOPS)}
    assert unknown <= {"fashion_exp/", "outputs/"}


@pytest.mark.slow
def test_files_and_tags_of_a_run_are_described(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    run = tiny("repeats=2", tracking="mlflow")
    files = {str(file.relative_to(run.output)) for file in run.output.rglob("*") if file.is_file()}
    names = {re.sub(r"r\d+f\d+", "TRAINING", name) for name in files}
    names = {re.sub(r"^figures/\w+", "figures/NAME", name) for name in names}
    missing = names - described("reference/files.md", "## The folder of a run")
    assert len(names) > 10 and not missing

    tags = {tag for tracked in tracked_runs(tmp_path / "outputs") for tag in tracked.data.tags}
    missing = tags - described("reference/files.md", "## Tags in MLflow")
    assert len(tags) > 8 and not missing
