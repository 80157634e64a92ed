"""Pages of the site that are made from the code when the site is built, so that they are current.

A hook of MkDocs (`mkdocs.yml`). Options come from the schema and `conf/`, subcommands from their
`--help`, the Python API from docstrings, metrics from `tracking`. Nothing of it is committed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the site describes this checkout, whatever is installed

import fashion_exp  # noqa: E402
from fashion_exp import stats  # noqa: E402
from fashion_exp.commands import data, help  # noqa: E402
from fashion_exp.commands.parser import Parser, parser_of, positional_choices  # noqa: E402
from fashion_exp.configuration.catalog import Option, options  # noqa: E402
from fashion_exp.configuration.choices import (  # noqa: E402
    base_choice,
    default_choices,
    groups,
    yaml_text,
)
from fashion_exp.tracking.metric_names import MEANINGS, meanings_table  # noqa: E402

HELP_COLUMNS = 88
NOTEBOOK = ROOT / "docs" / "notebooks" / "study.ipynb"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Pages of `docs/` that `mkdocs.yml` does not name yet are listed under "How to"."""
    named = json.dumps(config.nav)
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    for section in config.nav or []:
        section.get("How to", []).extend(page for page in pages if f'"{page}"' not in named)
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the generated pages to those of `docs/`."""
    for name, write in PAGES.items():
        files.append(File.generated(config, name, content=write()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of a checkout become those of the site; files that it lacks become their names."""
    markdown = markdown.replace("(notebooks/study.ipynb)", "(notebooks/study.md)")
    return re.sub(r"\[([^\]]+)\]\(\.\./(?:fashion_exp|conf|tests)/[^)]*\)", r"\1", markdown)


def options_page() -> str:
    """Each group with its choices, and each option with all that the schema says of it."""
    lines = ["# Options", "", OPTIONS_TEXT]
    found = options()
    chosen, available = default_choices(), groups()
    owners = {name: _group_of(name, available) for name in [option.name for option in found]}
    names = dict.fromkeys([*owners.values(), *available])
    for group in names:
        lines += ["", f"## {group or 'Experiment'} {{ #group-{group.replace('/', '-') or 'top'} }}"]
        if choices := available.get(group):
            base = base_choice(group)
            shared = base.values if base else {}
            lines += ["", "| choice | |", "|---|---|"]
            for choice in choices:
                mark = " (default)" if chosen.get(group) == choice.name else ""
                values = {k: v for k, v in choice.values.items() if shared.get(k, ...) != v}
                sets = [f"`{k}={_cut(yaml_text(v))}`" for k, v in values.items() if v is not None]
                note = f"<br>Sets {', '.join(sets)}" if sets else ""
                title = _text(choice.title)
                lines.append(f"| `{group}={choice.name}`{mark} | {title}{note} |")
        for option in found:
            if owners[option.name] == group:
                lines += ["", *_option_lines(option)]
    return "\n".join(lines) + "\n"


OPTIONS_TEXT = """\
Every option of an experiment is written `OPTION=VALUE` on the command line, and a choice of a group
`GROUP=CHOICE`. In Python they are arguments: `fx.run("optim.lr=1e-3")`. `scripts/run options WORD`
searches this list, and `scripts/run help OPTION` shows one entry. An option that has no effect in
the chosen combination is refused by name; "acts with" says when it has one.

Paths are relative to the working directory. `null` is YAML's word for "not set".
"""


def _group_of(option: str, available: dict[str, Any]) -> str:
    owner = option.rpartition(".")[0].replace(".", "/")
    return owner if owner in available or owner in ("training", "seeds", "cache") else ""


def _option_lines(option: Option) -> list[str]:
    set_by = ", ".join(f"`{k}`: {_text(_cut(v))}" for k, v in (option.set_by or {}).items())
    facts = {
        "type": ", ".join(filter(None, [option.type, option.unit and f"in {option.unit}"])),
        "range": option.range,
        "values": _values(option),
        "default": f"`{option.default}`" if option.default else "",
        "acts with": option.needs,
        "set by": set_by,
    }
    kept = {name: text for name, text in facts.items() if text}
    rows = [f"| {k} | {v if v.startswith('`') else _text(v)} |" for k, v in kept.items()]
    return [
        f"### {option.name} {{ #{option.name} }}",
        "",
        _text(option.doc),
        "",
        "| | |",
        "|---|---|",
        *rows,
    ]


def _values(option: Option) -> str:
    return "; ".join(
        f"`{name}` {meaning}".strip() for name, meaning in (option.choices or {}).items()
    )


def _cut(text: str, length: int = 120) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _text(text: str) -> str:
    """Plain text as Markdown in a cell of a table."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", "\\|"))
    return "".join(p if p.startswith("`") else re.sub(r"([<*_])", r"\\\1", p) for p in parts)


def commands_page() -> str:
    """The `--help` of the program and of every subcommand."""
    lines = ["# Subcommands", "", "`scripts/run` without a subcommand runs an experiment:", ""]
    lines += _fenced(help.help_text())
    for name, title in help.SUBCOMMANDS.items():
        command = importlib.import_module(f"fashion_exp.commands.{name}")
        lines += ["", f"## {name}", "", f"{title[0].upper()}{title[1:]}.", ""]
        lines += _fenced(_help_of(command.run, []))
        for inner, run, arguments in _inner_commands(name, command.run):
            lines += ["", f"### {name} {inner}", "", *_fenced(_help_of(run, arguments))]
    return "\n".join(lines) + "\n"


def _inner_commands(
    name: str, run: Callable[[list[str]], int]
) -> Iterator[tuple[str, Callable[[list[str]], int], list[str]]]:
    """The subcommands of a subcommand that have a help of their own: how it is called."""
    if name == "data":
        for inner in data.SUBCOMMANDS:
            yield inner, importlib.import_module(f"fashion_exp.commands.data.{inner}").run, []
        return
    parser = parser_of(run) if name != "help" else None
    for inner in positional_choices(parser) if parser else []:
        if _has_parsers(parser):
            yield inner, run, [inner]


def _has_parsers(parser: Parser | None) -> bool:
    return parser is not None and parser._subparsers is not None


def _help_of(run: Callable[[list[str]], int], arguments: list[str]) -> str:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(HELP_COLUMNS)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
            run([*arguments, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return printed.getvalue()


def _fenced(text: str) -> list[str]:
    return ["```text", text.strip("\n"), "```"]


def python_page() -> str:
    """The names of `fashion_exp`, each with its signature and docstring."""
    lines = ["# Python", "", PYTHON_TEXT]
    by_module = {n: m for m, names in fashion_exp._MODULES.items() for n in names}
    for module, names in groupby(fashion_exp.__all__, key=lambda name: by_module[name]):
        lines += [f"\n::: {module}.{name}" for name in names]
    return "\n".join(lines) + "\n"


PYTHON_TEXT = """\
`import fashion_exp as fx` loads nothing else; a function is loaded when it is first used, so that
`judge` and `compare` work without torch. `fx.NAME` stands for each entry of this page. Functions
raise `fx.InputError` for a mistake of the user. [A notebook](../notebooks/study.md) shows a study.
"""


def stats_page() -> str:
    """The modules of `fashion_exp.stats`, after the table that says which one to look into."""
    modules = [module.name for module in pkgutil.iter_modules(stats.__path__)]
    link = r"[`\1`](#fashion_exp.stats.\1)"
    text = re.sub(rf"`({'|'.join(modules)})`", link, (stats.__doc__ or "").strip())
    lines = ["# Statistics library", "", text, "", STATS_TEXT]
    lines += [f"\n::: fashion_exp.stats.{module}" for module in modules]
    return "\n".join(lines) + "\n"


STATS_TEXT = """\
The functions take arrays of numpy, and no config and no files, so they serve other projects too.
[Statistics](../statistics.md) says which of them are defaults, and how often they were right.
"""


def metrics_page() -> str:
    return f"# Metrics in MLflow\n\n{METRICS_TEXT}\n{meanings_table(MEANINGS)}\n"


METRICS_TEXT = """\
The names are short because the table of MLflow's page cuts headers at 12 characters. Shares lie in
0 to 1. A metric of your own named `top2` has the names `val_top2` and `test_top2`, with `_lo` and
`_hi`. [Files of a run](files.md#tags-in-mlflow) has the tags.
"""


def root_page(name: str) -> Callable[[], str]:
    """A file of the top level, with links as they are in the site."""
    own = {"CHANGELOG.md": "changelog.md", "docs/notebooks/study.ipynb": "notebooks/study.md"}

    def link(found: re.Match[str]) -> str:
        is_page = found[2].startswith("docs/") and found[2].endswith(".md")
        target = own.get(found[2]) or (found[2].removeprefix("docs/") if is_page else "")
        return f"[{found[1]}]({target})" if target else found[1]

    def write() -> str:
        text = (ROOT / name).read_text(encoding="utf-8")
        text = re.sub(r"<picture>.*?</picture>", _both_schemes, text, flags=re.DOTALL)
        return re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)", link, text)

    return write


def _both_schemes(found: re.Match[str]) -> str:
    """GitHub's element for a light and a dark picture, as two images that the site switches."""
    dark, alt, light = re.findall(r'(?:srcset|alt|src)="([^"]*)"', found[0])
    pictures = {"only-light": light, "only-dark": dark}
    return "\n".join(
        f'<img class="{scheme}" alt="{alt}" src="{file.removeprefix("docs/")}">'
        for scheme, file in pictures.items()
    )


def notebook_page() -> str:
    """The cells of the notebook with their stored outputs."""
    lines = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            lines.append(source)
            continue
        lines += ["```python", source, "```"]
        for output in cell["outputs"]:
            lines += _output_lines(output)
    return "\n\n".join(lines).replace("```python\n\n", "```python\n").replace("\n\n```", "\n```")


def _output_lines(output: dict[str, Any]) -> list[str]:
    shown = output.get("data", {})
    if "image/png" in shown:
        return [f'<img alt="figure" src="data:image/png;base64,{shown["image/png"].strip()}">']
    if "text/html" in shown:
        return ["".join(shown["text/html"])]
    text = "".join(shown.get("text/plain") or output.get("text", ""))
    return _fenced(text) if text.strip() else []


PAGES: dict[str, Callable[[], str]] = {
    "reference/options.md": options_page,
    "reference/commands.md": commands_page,
    "reference/python.md": python_page,
    "reference/stats.md": stats_page,
    "reference/metrics.md": metrics_page,
    "index.md": root_page("README.md"),
    "changelog.md": root_page("CHANGELOG.md"),
    "notebooks/study.md": notebook_page,
}
