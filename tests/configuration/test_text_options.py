"""A text option keeps what was typed, and a path option takes any path."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.overrides import parse_overrides
from fashion_exp.configuration.stored_config import load_config, save_config
from fashion_exp.configuration.text_options import (
    TextOption,
    quote_value,
    read_values,
    write_value,
)
from fashion_exp.errors import InputError

FOLDER = "dataset=folder"
PLAIN = ("2024_11", "1_0", "1e3", "true", "0x1F", "007", "1.10", "~", "a:b", "NULL", "nan", "1:30",
         "2024-01-01", "-1", "+1", ".5", "no", "*", "a b", "é", "a#b", "<a>")  # fmt: skip
PATHS = (*PLAIN, "photos (copy)", "it's", "a[1]", "a,b", "{x}", "$x", "x=y", "~/x", "a\\", "\\,",
         'say "hi"', "(", "]", "a;b", "choice(a,b)", "@", "%20", " a ")  # fmt: skip


@pytest.mark.parametrize(("text", "other"), [*zip(PATHS[::2], PATHS[1::2], strict=True)])
def test_path_is_what_was_typed(text: str, other: str) -> None:
    line = parse_command_line([FOLDER, f"dataset.root={text}", f"outputs={other}"])
    assert (line.jobs[0].dataset.root, line.jobs[0].outputs) == (text, other)
    again = parse_command_line(line.job_overrides[0])  # as `resume` does
    assert again.jobs == line.jobs


@pytest.mark.parametrize("text", PLAIN)
def test_text_is_what_was_typed(text: str) -> None:
    options = [f"tracking.experiment={text}", f"sweep.name={text}",
               f"dataset.classes=[{text},'{text}']", f"dataset.rename.{text}={text}"]  # fmt: skip
    (cfg,) = parse_command_line(options).jobs
    assert cfg.tracking.experiment == cfg.sweep.name == text
    assert cfg.dataset.classes == [text, text] and cfg.dataset.rename == {text: text}


@pytest.mark.slow
def test_texts_of_a_sweep_and_of_its_points_are_what_was_typed() -> None:
    swept = parse_command_line(["-m", f"tracking.experiment={','.join(PLAIN)}"])
    assert [job.tracking.experiment for job in swept.jobs] == [*PLAIN]
    points = ",".join(f"\"'dataset.classes=[{text}]'\"" for text in PLAIN)
    jobs = parse_command_line(["-m", f"sweep.points=[{points}]"]).jobs
    assert [job.dataset.classes for job in jobs] == [[text] for text in PLAIN]


def test_null_is_no_value_where_there_may_be_none() -> None:
    (none,) = parse_command_line(["sweep.name=null", "dataset.classes=null"]).jobs
    assert none.sweep.name is None and none.dataset.classes is None
    (text,) = parse_command_line(["sweep.name='null'", "dataset.classes=[null]"]).jobs
    assert text.sweep.name == "null" and text.dataset.classes == ["null"]
    assert parse_command_line(["training.device=null"]).jobs[0].training.device == "null"


def test_comma_separates_paths_in_a_multirun_only() -> None:
    root = [FOLDER, "dataset.root=a,'b,c',d e"]
    assert [j.dataset.root for j in parse_command_line(["-m", *root]).jobs] == ["a", "b,c", "d e"]
    assert [j.dataset.root for j in parse_command_line(root).jobs] == ["a,'b,c',d e"]
    chosen = parse_command_line(["-m", FOLDER, "dataset.root=choice(1_0, 'x y')"])
    assert [job.dataset.root for job in chosen.jobs] == ["1_0", "x y"]
    with pytest.raises(InputError, match="several values need --multirun"):
        parse_command_line(["model=timm", "model.name=a,b"])


def test_quotes_around_a_value_are_removed() -> None:
    for quoted in ("'photos (copy)'", '"photos (copy)"'):
        (cfg,) = parse_command_line([FOLDER, f"dataset.root={quoted}"]).jobs
        assert cfg.dataset.root == "photos (copy)"


def test_mapping_takes_any_key() -> None:
    (cfg,) = parse_command_line(["dataset.rename={1_0: 2024_11, T.Shirt: 'a: b'}"]).jobs
    assert cfg.dataset.rename == {"1_0": "2024_11", "T.Shirt": "a: b"}


def test_interpolation_of_a_text_is_resolved() -> None:
    (cfg,) = parse_command_line(["tracking.experiment=${model.name}-1_0"]).jobs
    assert cfg.tracking.experiment == "basic_cnn-1_0"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dataset.classes=[a", r"a \] is missing"),
        ("dataset.classes=[a,[b]", r"a \] is missing"),
        ("dataset.classes=[a,,b]", "an item between two commas is missing"),
        ("dataset.rename={a}", "needs pairs"),
        ("dataset.rename=[a]", "needs a mapping"),
    ],
)
def test_malformed_structure_is_refused(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_command_line([override])


def test_saved_texts_are_read_back(tmp_path: Path) -> None:
    cfg = parse_command_line([]).jobs[0]
    cfg.dataset.classes = [*PATHS, "null", "yes", "1_000", "0o7"]
    cfg.dataset.rename = {text: text for text in cfg.dataset.classes}
    cfg.sweep.name = "2024_11"
    save_config(cfg, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == cfg


texts = st.text(alphabet="ab1_0'\"\\,:[]{}() ~=-", max_size=8)


@settings(max_examples=100, deadline=None)
@given(texts)
def test_quoted_text_is_read_by_hydra_as_the_text(text: str) -> None:
    (override,) = parse_overrides([f"x={quote_value(text)}"])
    assert override.value() == text


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.tuples(st.just(TextOption("text", True, True)), st.none() | texts),
        st.tuples(st.just(TextOption("text")), texts),
        st.tuples(st.just(TextOption("list", True)), st.none() | st.lists(texts, max_size=3)),
        st.tuples(st.just(TextOption("mapping")), st.dictionaries(texts, texts, max_size=3)),
    ),
    st.booleans(),
)
def test_written_value_is_read_as_the_same_value(
    case: tuple[TextOption, str | list[str] | dict[str, str] | None], multirun: bool
) -> None:
    option, value = case
    assert read_values(option, write_value(option, value), multirun) == [value]
