"""Random command lines, mostly wrong ones, and what becomes of them without any training."""

from __future__ import annotations

import contextlib
import io
import random
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from unittest import mock

from fashion_exp import __main__
from fashion_exp.configuration.composition import CommandLine, option_names
from fashion_exp.paths import conf_dir
from fashion_exp.recipes.plan import as_sweep, recipe_folder
from fashion_exp.recipes.steps import parse_steps
from fashion_exp.sweeps.jobs import sweep_name
from fashion_exp.sweeps.launchers import make_launcher
from fashion_exp.sweeps.search import make_search

MAX_MESSAGE = 2000
"""Characters that a message may have on the terminal."""

VALUES = (
    "", "null", "NULL", "~", "true", "0", "-1", "1", "1e3", "1_0", "0x1F", "007", "1.10", "nan",
    "inf", "1e999", "1e-300", "9" * 40, "a", "a,b", "1,2", ",", "a,,b", "[", "]", "[]", "[a", "{",
    "{}", "{a}", "{a:b}", "{a:{b:c}}", "[a,b]", "[[1],[2]]", "[1,null]", "(", ")", "x(", "()", "'",
    '"', "'a", "'a,b'", '"a b"', "it's", "a b", " a ", "a:b", "a=b", "=", "==", "a;b", "a#b", "\\",
    "a\\", "\\,", "$", "$x", "${", "${}", "${nope}", "${oc.env:NOPE}", "${seed}", "${.x}", "${a.b}",
    "${oc.env:}", "${oc.create:[}", "${nope:1}", "${hydra:runtime.cwd}", "${optim.lr}", "???", "*",
    "glob(*)", "glob(a*)", "glob([*],exclude=x)", "glob()", "glob(1)", "choice()", "choice(a,b)",
    "choice(1,2)", "shuffle()", "shuffle(1,2)", "sort(2,1)", "sort(a,1)", "range()", "range(3)",
    "range(inf,3)", "range(1,nan)", "range(0,1,0)", "range(1,2,0.1)", "range(1,1000000000)",
    "interval(1,2)", "interval(2,1)", "interval(a,b)", "tag(log,interval(1,2))", "tag(x)", "int(a)",
    "int(3.5)", "str([1])", "bool(7)", "float(x)", "float(nan)", "nope(1)", "/proc", "/etc/passwd",
    "~nobody/x", "~no-such-user/x", "~/x", "..", "/", ".", "\n", "a\nb", "\t", "é",
    "日本", "\udce9", "\x1b[31m",
    "{name: Lambda}", "[{name: Lambda}]", "-", "--", "-m", "@", "a@b", "!", "%", "|", "&", "?",
    "n" * 20_000, "[" * 300, "{a:" * 200, "(" * 300, "1," * 500 + "1",
)  # fmt: skip

LARGE_FOLDERS = ("/", "/proc", "~", "~/x", ".", "..")
"""Not given to `data check`, which would read every photo below them."""

HYDRA_KEYS = (
    "hydra", "hydra.sweeper", "hydra.launcher", "hydra.launcher.jobs", "hydra.launcher._target_",
    "hydra.sweeper._target_", "hydra.sweeper.trials", "hydra.sweeper.params",
    "hydra.sweeper.params.optim.lr", "hydra.sweeper.max_batch_size", "hydra.sweeper.storage",
    "hydra.launcher.options", "hydra.launcher.options.a", "hydra.launcher.partition",
    "hydra.job_logging", "hydra.job_logging.version", "hydra.job_logging.root.handlers",
    "hydra.callbacks", "hydra.callbacks.x", "hydra.run.dir", "hydra.sweep.dir", "hydra.mode",
    "hydra.verbose", "hydra.searchpath", "hydra.job.env_copy", "hydra.job.env_set.A",
    "hydra.job.name", "hydra.output_subdir", "hydra.runtime.cwd", "hydra.hydra_help", "hydra.nope",
    "hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra/nope", "hydra/callbacks",
)  # fmt: skip

SWITCHES = (
    ["-m"], ["--multirun"], ["--cfg", "job"], ["--cfg", "all"], ["--cfg", "hydra"], ["--cfg"],
    ["--cfg", "x"], ["--info"], ["--info", "config"], ["--info", "defaults-tree"], ["--resolve"],
    ["-p", "optim"], ["-p", "nope"], ["--config-dir", "/nope"], ["--config-dir=/etc"],
    ["--config-dir", "~nobody/x"], ["--config-name", "x"], ["--hydra-help"], ["--evaluate-test"],
    ["-sc", "install=bash"], ["-sc", "x"], ["-r"], ["-x"], ["--"], ["--nope=1"], ["-"],
)  # fmt: skip

SUBCOMMAND_OPTIONS = (
    "--outputs", "--uri", "--into", "--json", "--alpha", "--rope", "--metric", "--target",
    "--human", "--baseline", "--exact", "--evaluate-test", "--fix", "--host", "--port", "--kind",
    "--unused", "--root", "--data", "--undo", "--revert", "--list", "--tiny", "--max-megapixels",
    "--pace", "--patience", "--deadline", "--largest", "--contact", "--allow-address",
    "--dry-run", "--help", "--nope", "-x", "--new-class", "--distance",
)  # fmt: skip

SUBCOMMANDS = (
    ["compare"], ["report"], ["sweep"], ["sweep", "status"], ["sweep", "list"], ["cache"],
    ["cache", "list"], ["cache", "verify"], ["doctor"], ["ui"], ["data"], ["data", "check"],
    ["data", "duplicates"], ["data", "summary"], ["data", "labels"], ["data", "apply"],
    ["data", "collect"], ["data", "nope"], ["nope"], [""],
)  # fmt: skip


@cache
def _groups() -> Mapping[str, list[str]]:
    folders = [folder for folder in conf_dir().iterdir() if folder.is_dir()]
    return {
        folder.name: [file.stem for file in folder.glob("*.yaml")]
        for folder in folders
        if folder.name != "hydra"
    }


@cache
def _options() -> list[str]:
    return list(option_names())


def random_line(rng: random.Random) -> list[str]:
    """The arguments of an experiment, a multirun or, one time in ten, a subcommand."""
    return random_subcommand(rng) if rng.random() < 0.1 else random_experiment(rng)


def random_experiment(rng: random.Random) -> list[str]:
    """The arguments of an experiment or a multirun."""
    words: list[str] = []
    if rng.random() < 0.45:
        words.append("-m")
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        words += _word(rng)
    return words


def random_subcommand(rng: random.Random) -> list[str]:
    """The arguments of a subcommand."""
    words = list(rng.choice(SUBCOMMANDS))
    small = [value for value in VALUES if value not in LARGE_FOLDERS]
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        option = rng.choice(SUBCOMMAND_OPTIONS)
        value = rng.choice(small)
        words += rng.choice(([value], [option], [option, value], [f"{option}={value}"]))
    return words


def _word(rng: random.Random) -> list[str]:
    kind = rng.random()
    if kind < 0.10:
        return list(rng.choice(SWITCHES))
    if kind < 0.14:
        return [rng.choice(VALUES)]
    if kind < 0.30:
        group = rng.choice(list(_groups()))
        choice = rng.choice(_groups()[group]) if rng.random() < 0.5 else rng.choice(VALUES)
        return [f"{_prefix(rng)}{group}={choice}"]
    if kind < 0.48:
        return [f"{_prefix(rng)}{rng.choice(HYDRA_KEYS)}={rng.choice(VALUES)}"]
    if kind < 0.54:
        point = f"{rng.choice(_options())}={rng.choice(VALUES)}"
        return [f"{rng.choice(('sweep.points', 'sweep.zip', 'sweep.cells'))}=['{point}']"]
    if kind < 0.60:
        key = rng.choice(("optim.options.foreach", "dataset.rename.a", "a.b", "x", "n" * 20_000,
                          "optim@x", "optim.lr@y", "model.name.x", "sweep.weights.a"))  # fmt: skip
        return [f"{_prefix(rng)}{key}={rng.choice(VALUES)}"]
    if kind < 0.62:
        return [f"{_prefix(rng)}{rng.choice(_options())}"]
    return [f"{_prefix(rng)}{rng.choice(_options())}={rng.choice(VALUES)}"]


def _prefix(rng: random.Random) -> str:
    return rng.choice(("", "", "", "", "", "", "+", "++", "~"))


def fault(arguments: Sequence[str]) -> str:
    """How a command line ends other than it should: with a traceback or an unreadable message.

    Empty if it is accepted, or refused in one line of sensible length. Nothing is trained.
    """
    output, error = io.StringIO(), io.StringIO()
    with (
        _without_trainings(),
        mock.patch.object(sys, "argv", ["fashion_exp", *arguments]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(error),
    ):
        try:
            code: object = __main__.main()
        except SystemExit as ended:  # argparse has printed its usage
            return "" if ended.code in (0, 2) else f"exit code {ended.code}: {error.getvalue()}"
        except BaseException:
            return traceback.format_exc()[-1500:]
    message = error.getvalue()
    if code == 2 and (message.count("\n") != 1 or not message.startswith("fashion_exp: ")):
        return f"not one line: {message[:1500]!r}"
    if len(message) > MAX_MESSAGE:
        return f"{len(message)} characters: {message[:300]}"
    return "" if code in (0, 1, 2) else f"exit code {code}: {message}"


@contextlib.contextmanager
def _without_trainings() -> Iterator[None]:
    with (
        mock.patch.object(__main__, "run_job", lambda *args: 0),
        mock.patch.object(__main__, "configure_process", lambda: None),
        mock.patch("fashion_exp.sweeps.run.run_sweep", _plan_sweep),
        mock.patch("fashion_exp.recipes.run.run_recipe", _plan_recipe),
        mock.patch("os.execve", side_effect=SystemExit(0)),  # as it never returns
    ):
        yield


def _plan_recipe(line: CommandLine) -> int:
    """What a recipe does with the words before it looks at data."""
    recipe_folder(line)
    as_sweep(line, parse_steps(line.jobs[0].recipe.steps or []))
    return 0


def _plan_sweep(line: CommandLine, evaluate_all: bool) -> int:
    """What a sweep does with the words before it looks at data."""
    make_launcher(line.launcher)
    sweep_name(line)
    if line.search is not None:
        make_search(line.search)
    return 0
