from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.plan_file import PlanFile, read_plan
from fashion_exp.tools.collect.plan_lint import canonical_color, is_color, lint

PAPER_PLAN = """\
cap: 100
target: 1000
prefixes: [black, white, grey, red, 'blue ', green, yellow, pink, brown, gray]
classes:
  dress: [dress]
  pullover:
    terms: [pullover]
    template: "{prefix} {term} clothing"
  shirt: [shirt]
"""
"""The queries of the paper: one color twice, a stray space, an unequal template."""

ReadPlan = Callable[[str], PlanFile]


@pytest.fixture
def read(tmp_path: Path) -> ReadPlan:
    def write_and_read(text: str) -> PlanFile:
        (tmp_path / "plan.yaml").write_text(text)
        return read_plan(tmp_path / "plan.yaml")

    return write_and_read


def query_texts(file: PlanFile, label: str) -> list[str]:
    return [query.text for query in file.plan.queries(label)]


def test_warns_about_queries_of_the_paper(read: ReadPlan) -> None:
    file = read(PAPER_PLAN)
    space, color, template = lint(file)
    assert (space.line, color.line, template.line) == (3, 3, 8)
    assert "stray space in 'blue '" in space.text
    assert "'grey' and 'gray' are the same color" in color.text
    assert "classes with unequal template" in template.text
    assert "pullover: {prefix} {term} clothing" in template.text
    texts = query_texts(file, "pullover")
    assert len(texts) == 10 and "blue pullover clothing" in texts
    assert file.plan.queries("dress")[3].prefix == "red" and file.plan.target_of("dress") == 1000


def test_valid_plan_has_no_warnings(read: ReadPlan) -> None:
    file = read("prefixes: ['', red, dark blue]\nclasses: {dress: [dress, gown], shirt: }\n")
    assert lint(file) == []
    assert query_texts(file, "dress") == [
        "dress", "red dress", "dark blue dress", "gown", "red gown", "dark blue gown",
    ]  # fmt: skip
    assert [query.prefix for query in file.plan.queries("shirt")] == ["", "red", "dark blue"]


def test_template_without_prefix_has_one_query(read: ReadPlan) -> None:
    file = read("prefixes: [red, blue]\nclasses: {dress: {template: 'a {term}'}}\n")
    (query,) = file.plan.queries("dress")
    assert (query.text, query.prefix) == ("a dress", "")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("prefixes:\n- red\n- red\nclasses: {a: }", 3, "duplicate prefix 'red'"),
        ("prefixes:\n- aqua\n- cyan\nclasses: {a: }", 3, "'aqua' and 'cyan' are the same"),
        ("prefixes:\n- light gray\n- lightgrey\nclasses: {a: }", 3, "are the same"),
        ("prefixes:\n- woolen\nclasses: {a: }", 2, "prefix 'woolen' is not a known color"),
        ("classes:\n a: [shirt, top]\n b:\n  - Top\n", 4, "term 'Top' is in both a and b"),
        ("classes:\n a: [shirt, shirt]\n", 2, "duplicate term 'shirt' in a"),
        ("classes:\n a: ['long  shirt']\n", 2, "stray space in 'long  shirt'"),
        ("classes:\n a: \n b: \n c:\n  prefixes: [red]\n", 5, "unequal prefixes: a, b: none; c:"),
    ],
)
def test_warning_states_its_line(read: ReadPlan, text: str, line: int, message: str) -> None:
    (warning,) = lint(read(text))
    assert warning.line == line and message in warning.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; a plan needs at least"),
        ("cap: 3", "line 1: classes: is missing"),
        ("- a", "line 1: the plan: "),
        ("classes: {a: }\ncapp: 3", "line 2: capp: unknown key; did you mean cap?"),
        ("classes:\n a:\n  term: [x]", "line 3: classes.a.term: unknown key; did you mean terms"),
        ("classes: {a: }\n\ncap: 0", "line 3: cap: input should be greater than or equal to 1"),
        ("classes: {a: }\ncap: '5'", "line 2: cap: input should be a valid integer"),
        ("classes: {a: }\nprefixes: [red, no]", "line 2: prefixes.1: input should be a valid str"),
        ("classes: {a: }\nproviders:\n- opnverse", "line 3: providers.0: unknown provider "
         "'opnverse'; did you mean openverse?"),
        ("classes: {a: }\nproviders:\n- kind: urls\n  fle: x", "line 3: providers.0.file: is miss"),
        ("classes: {a: }\nproviders:\n- kind: folder\n  path: x\n  pth: y", "line 5: "
         "providers.0.pth: unknown key; did you mean path?"),
        ("classes: {a: }\nproviders:\n- kind: openverse\n  licences: [cc1]", "line 4: "),
        ("classes: {a: }\ntemplate: '{colour} {term}'", "line 2: template: '{colour} {term}' has "
         "the unknown placeholder {colour}"),
        ("classes: {a: }\ntemplate: red", "lacks {term}"),
        ("classes:\n  a:\n  a:", "line 3: duplicate key 'a', first on line 2"),
        ("classes: {a/b: }", "'a/b' is not a valid folder name"),
        ("classes: {.a: }", "is not a valid folder name"),
        ("classes: {train: }", "'train' is the name of a part"),
        ("classes: {Dress: , dress: }", "are the same folder on some file systems"),
        ("classes: {a: ['']}", "an empty term"),
        ("classes: {a: }\nattribute: label", "is the name of another column"),
        ("classes: [", "line 1: invalid YAML"),
        ("classes:\n  ? [a, b]\n  : c", "line 2: a key must be a single word"),
        ("classes: {1: }", "line 1: classes.1"),
        ("classes: {a: [no]}", "but YAML reads False; quote it"),
        ("classes: {a: }\nprefixes: [2024-13-45]", "line 2: '2024-13-45' is invalid; quote it"),
        ("classes: {a: }\ncap: !!int abc", "line 2: 'abc' is invalid"),
        ("classes: &a [*a]", "invalid YAML: nested too deeply"),
        ("classes: !!python/name:os.system x", "line 1: a plan has texts, numbers, lists and"),
        ("classes:\n  dress: !!python/object/apply:os.system [x]", "line 2: a plan has texts"),
        ("classes: {a: [!!bool maybe]}", "'maybe' is invalid; quote it"),
        ("classes: {a: [!!timestamp x]}", "'x' is invalid; quote it"),
        ("!!seq x: 1", "no !!seq; remove the tag"),
        ("classes: {a: [\0]}", "special characters are not allowed"),
    ],
)  # fmt: skip
def test_reports_errors_in_one_line(read: ReadPlan, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(text)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_aliases_cannot_repeat_a_text_without_end(read: ReadPlan) -> None:
    levels = [f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]"
              for before, name in zip("abcdefg", "bcdefgh", strict=True)]  # fmt: skip
    with pytest.raises(InputError, match="more than 100,000 values"):
        read("\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *levels]))


def test_rejects_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or directory; give the YAML file"):
        read_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize("text", ["red", "Gray", "dark blue", "light-grey", "mustard", "pale pink"])
def test_recognizes_colors(text: str) -> None:
    assert is_color(text)


@pytest.mark.parametrize("text", ["woolen", "dark", "long", "reddish dress", ""])
def test_recognizes_other_words(text: str) -> None:
    assert not is_color(text)


def test_canonical_color_ignores_spelling() -> None:
    assert canonical_color("gray") == canonical_color(" Grey ") != canonical_color("lightgrey")
    assert canonical_color("multicolored") == canonical_color("multicoloured")
