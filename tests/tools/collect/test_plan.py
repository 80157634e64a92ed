"""A plan is what it says, or a mistake in one line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.colours import is_colour, meaning
from fashion_exp.tools.collect.lint import lint
from fashion_exp.tools.collect.plan import queries, target
from fashion_exp.tools.collect.plan_file import PlanFile, read_plan

PAPER = """\
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
"""What the paper asked for: a grey asked twice, a stray blank, a class asked otherwise."""


@pytest.fixture
def written(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> PlanFile:
        (tmp_path / "plan.yaml").write_text(text)
        return read_plan(tmp_path / "plan.yaml")

    return write


def warned(file: PlanFile) -> list[tuple[int, str]]:
    return [(warning.line, warning.text) for warning in lint(file)]


def test_the_papers_plan_has_its_three_warnings(written) -> None:  # type: ignore[no-untyped-def]
    file = written(PAPER)
    (blank_line, blank), (grey_line, grey), (form_line, form) = warned(file)
    assert (blank_line, grey_line, form_line) == (3, 3, 8)
    assert "stray blank in 'blue '" in blank and "'grey' and 'gray' are one colour" in grey
    assert "classes with unequal template" in form and "pullover: {prefix} {term} clothing" in form
    texts = [query.text for query in queries(file.plan, "pullover")]
    assert len(texts) == 10 and "blue pullover clothing" in texts
    assert queries(file.plan, "dress")[3].prefix == "red" and target(file.plan, "dress") == 1000


def test_a_sound_plan_has_no_warning(written) -> None:  # type: ignore[no-untyped-def]
    file = written("prefixes: ['', red, dark blue]\nclasses: {dress: [dress, gown], shirt: }\n")
    assert warned(file) == []
    assert [q.text for q in queries(file.plan, "dress")] == [
        "dress", "red dress", "dark blue dress", "gown", "red gown", "dark blue gown",
    ]  # fmt: skip
    assert [q.prefix for q in queries(file.plan, "shirt")] == ["", "red", "dark blue"]


def test_a_class_without_a_place_for_prefixes_has_no_colour(written) -> None:  # type: ignore[no-untyped-def]
    file = written("prefixes: [red, blue]\nclasses: {dress: {template: 'a {term}'}}\n")
    ((query,),) = [queries(file.plan, "dress")]
    assert (query.text, query.prefix) == ("a dress", "")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("prefixes:\n- red\n- red\nclasses: {a: }", 3, "prefix 'red' stands twice"),
        ("prefixes:\n- aqua\n- cyan\nclasses: {a: }", 3, "'aqua' and 'cyan' are one"),
        ("prefixes:\n- light gray\n- lightgrey\nclasses: {a: }", 3, "are one"),
        ("prefixes:\n- woolen\nclasses: {a: }", 2, "prefix 'woolen' is no colour"),
        ("classes:\n a: [shirt, top]\n b:\n  - Top\n", 4, "term 'Top' stands in a and in b"),
        ("classes:\n a: [shirt, shirt]\n", 2, "twice in a"),
        ("classes:\n a: ['long  shirt']\n", 2, "stray blank in 'long  shirt'"),
        ("classes:\n a: \n b: \n c:\n  prefixes: [red]\n", 5, "unequal prefixes: a, b: none; c:"),
    ],
)
def test_a_warning_has_its_line(written, text: str, line: int, said: str) -> None:  # type: ignore[no-untyped-def]
    ((found, warning),) = warned(written(text))
    assert found == line and said in warning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; a plan has classes"),
        ("cap: 3", "line 1: classes: is missing"),
        ("- a", "line 1: the plan: "),
        ("classes: {a: }\ncapp: 3", "line 2: capp: no such key; did you mean cap?"),
        ("classes:\n a:\n  term: [x]", "line 3: classes.a.term: no such key; did you mean terms"),
        ("classes: {a: }\n\ncap: 0", "line 3: cap: input should be greater than or equal to 1"),
        ("classes: {a: }\ncap: '5'", "line 2: cap: input should be a valid integer"),
        ("classes: {a: }\nprefixes: [red, no]", "line 2: prefixes.1: input should be a valid str"),
        ("classes: {a: }\nproviders:\n- opnverse", "line 3: providers.0: no provider 'opnverse'; "
         "did you mean openverse?"),
        ("classes: {a: }\nproviders:\n- kind: urls\n  fle: x", "line 3: providers.0.file: is miss"),
        ("classes: {a: }\nproviders:\n- kind: folder\n  path: x\n  pth: y", "line 5: "
         "providers.0.pth: no such key; did you mean path?"),
        ("classes: {a: }\nproviders:\n- kind: openverse\n  licences: [cc1]", "line 4: "),
        ("classes: {a: }\ntemplate: '{colour} {term}'", "line 2: template: '{colour} {term}' has "
         "no place {colour}"),
        ("classes: {a: }\ntemplate: red", "lacks {term}"),
        ("classes:\n  a:\n  a:", "line 3: 'a' again, after line 2"),
        ("classes: {a/b: }", "'a/b' cannot name a folder"),
        ("classes: {.a: }", "cannot name a folder"),
        ("classes: {train: }", "'train' is the name of a part"),
        ("classes: {Dress: , dress: }", "are one folder on some disks"),
        ("classes: {a: ['']}", "an empty term"),
        ("classes: {a: }\nattribute: label", "is a column of its own"),
        ("classes: [", "line 1: is not YAML"),
        ("classes:\n  ? [a, b]\n  : c", "line 2: a key must be one word"),
        ("classes: {1: }", "line 1: classes.1"),
        ("classes: {a: [no]}", "False is none in YAML; quote it"),
        ("classes: {a: }\nprefixes: [2024-13-45]", "line 2: '2024-13-45' cannot be read; quote it"),
        ("classes: {a: }\ncap: !!int abc", "line 2: 'abc' cannot be read"),
        ("classes: &a [*a]", "is not YAML: nested too deeply"),
        ("classes: !!python/name:os.system x", "is not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(written, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as mistake:
        written(text)
    assert said in str(mistake.value) and "\n" not in str(mistake.value)


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or directory; give the plan"):
        read_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize("word", ["red", "Gray", "dark blue", "light-grey", "mustard", "pale pink"])
def test_colours(word: str) -> None:
    assert is_colour(word)


@pytest.mark.parametrize("word", ["woolen", "dark", "long", "reddish dress", ""])
def test_no_colours(word: str) -> None:
    assert not is_colour(word)


def test_one_colour_in_two_spellings() -> None:
    assert meaning("gray") == meaning(" Grey ") != meaning("lightgrey")
    assert meaning("multicolored") == meaning("multicoloured")
