"""What `--help` prints. Hydra's own help would compose every group first, for a second or two."""

from __future__ import annotations

import textwrap

from fashion_exp.configuration.catalog import Option, options, settable_options
from fashion_exp.configuration.choices import Choice, default_choices, groups, yaml_text
from fashion_exp.configuration.suggestions import similar_options
from fashion_exp.errors import InputError, close_matches

SUBCOMMANDS_BY_AREA = {
    "Train": {
        "find_lr": "suggest a learning rate: find_lr OPTION=VALUE …",
        "race": "train repeats of two runs until it is decided which is better: race RUN BASELINE",
        "soup": "average the weights of a run's models into one model: soup RUN",
        "refit": "train a run's recipe on all of its photos, to be used: refit RUN",
        "sweep": "list sweeps, show their progress, delete one: sweep list, sweep status",
    },
    "Compare": {
        "compare": "which of several runs is better, and whether the data support it",
        "report": "the same as a page with figures",
        "judge": "compare predictions of any tools: judge a.csv b.parquet [RUN …]",
        "import": "make a run of another tool's predictions: import a.csv --as NAME",
        "flips": "which items a change gained and lost: flips BEFORE AFTER",
        "slices": "accuracy by class, color, size, brightness or any column: slices RUN [RUN …]",
        "shortcuts": "whether color, size, border or file alone tell the classes: shortcuts RUN",
    },
    "Use a run": {
        "predict": "predict the classes of photos with a run: predict RUN PHOTOS",
        "evaluate": "accuracy on labeled photos that it has never seen: evaluate RUN LABELED",
        "estimate": "accuracy on new photos from few labels: estimate RUN PHOTOS --labels CSV",
        "calibrate": "how far the probabilities of a run can be trusted: calibrate RUN",
        "explain": "what the networks of a run look at in photos, as pictures",
        "card": "a model card of a run: data, accuracy with intervals, limits, how to use it",
        "export": "write a run's models as an onnx, pt2 or timm file: export RUN --format onnx",
        "promote": "register a run in MLflow as the champion of a name: promote RUN NAME",
        "serve": "serve a run over HTTP, with a page to drop a photo on: serve RUN --port 8000",
    },
    "Photos": {
        "active": "which photos to label next, and what that saves: active strategy=margin …",
        "learning_curve": "whether more photos would help: learning_curve RUN --more 500",
        "data": "collect, check, group and relabel images: data --help",
        "index": "index photos to search them: index build PHOTOS --by RUN",
        "search": "find photos by picture and by words: search PHOTO, search 'red dress'",
    },
    "Manage": {
        "runs": "list, show, rename, describe and delete runs: runs list, runs show RUN",
        "study": "several runs in one file: study export STUDY.zip RUN …, study import STUDY.zip",
        "cache": "list, clear and verify cached results",
        "doctor": "find and fix what crashed processes and older versions left behind",
        "ui": "show the results in MLflow's web pages",
        "options": "search all options: options [WORD]",
        "help": "describe an option, group, choice or subcommand: help optim.lr, help model",
    },
}
SUBCOMMANDS = {name: text for area in SUBCOMMANDS_BY_AREA.values() for name, text in area.items()}
"""Each is a module of `commands`."""

WIDTH = 100
COMPLETION_SWITCHES = ("-sc", "--shell-completion", "--shell_completion")
"""Of Hydra."""

USAGE = """\
fashion_exp: image classification experiments with sound statistical conclusions

fashion_exp [GROUP=CHOICE …] [OPTION=VALUE …]            run one experiment
fashion_exp --multirun [OPTION=VALUE,VALUE …]            run one experiment per combination
fashion_exp recipe=best [OPTION=VALUE …]                 run several in turn, each judged
fashion_exp SUBCOMMAND …                                 SUBCOMMAND --help describes it
"""

OPTIONS = """\
Frequently used options:

  optim.lr=2e-4  model.dropout=0.5  split.train_ratio=0.5  training.epochs=20
  training.batch_size=32  repeats=5  seed=1  dataset.root=PHOTOS
  dataset.classes='[dress,shirt]'  dataset.rename='{longsleeve: Pullover}'
  tracking.uri=http://SERVER:5000  resume=outputs/runs/…

`options` lists all options with type, unit, range, default and choices; `help OPTION` describes
one, `GROUP --help` the choices of a group. `--cfg job` prints the composed config.
`--config-dir=FOLDER` adds your own choices: FOLDER/optim/mine.yaml is optim=mine. `--version`
prints the version, `--hydra-help` Hydra's switches. Completion in bash:
eval "$(scripts/run -sc install=bash)"
"""


def run(arguments: list[str]) -> int:
    """`help`, `help SUBCOMMAND`, `help OPTION`, `help GROUP` or `help GROUP=CHOICE`.

    Raises `InputError` for a word that is none of them.
    """
    if not arguments or arguments[0] in ("--help", "-h"):
        print(help_text(), end="")
        return 0
    print("\n\n".join(_describe(word) for word in arguments if word not in ("--help", "-h")))
    return 0


def _describe(word: str) -> str:
    from fashion_exp.configuration.overrides import split_override  # imports Hydra

    name, choice = split_override(word)
    available = groups()
    if name in available and choice:
        for item in available[name]:
            if item.name == choice:
                return choice_help(item)
    if name in available:
        return group_help(name)
    for option in options():
        if option.name == name:
            return option_help(option)
    if name in SUBCOMMANDS:
        return f"fashion_exp {name} …  {SUBCOMMANDS[name]}\n`{name} --help` shows what it takes."
    close = similar_options(name, settable_options(), available)
    close = close or close_matches(name, SUBCOMMANDS)
    hint = f"did you mean {' or '.join(close)}?" if close else f"`options {name}` searches them"
    raise InputError(f"help {word}: no such option, group or subcommand; {hint}")


def suggest_word(word: str) -> str:
    """The subcommands that resemble the first word of a command line."""
    if close := close_matches(word, SUBCOMMANDS):
        return f"did you mean {' or '.join(close)}?"
    available = groups()
    if word in available:
        return f"write {word}=CHOICE; `{word} --help` shows the choices"
    if word in (names := settable_options()):
        return f"write {word}=VALUE; `help {word}` describes it"
    if close := similar_options(word, names, available):
        return f"did you mean {close[0]}=…?"
    if chosen := [g for g, choices in available.items() if word in [c.name for c in choices]]:
        return f"did you mean {' or '.join(f'{group}={word}' for group in chosen)}?"
    return f"choices: {', '.join(sorted(SUBCOMMANDS))}"


def option_help(option: Option) -> str:
    """All that is known of an option."""
    choices = (option.choices or {}).items()
    meanings = [f"{name}: {text}" if text else name for name, text in choices]
    facts = {
        "type": option.type,
        "unit": option.unit,
        "range": option.range,
        "choices": "\n".join(meanings),
        "default": option.default,
        "needs": option.needs,
        "set by": "\n".join(f"{choice}: {text}" for choice, text in (option.set_by or {}).items()),
    }
    known = {name: text for name, text in facts.items() if text}
    return "\n".join([option.name, *_wrapped(option.doc, "  "), "", *_table(known)])


def group_help(group: str) -> str:
    """The choices of a group with the first sentence of each, and the options of the group."""
    default = default_choices().get(group)
    titles = {
        choice.name: choice.title + (" (default)" if choice.name == default else "")
        for choice in groups()[group]
    }
    lines = [f"{group}=CHOICE, one of:", "", *_table(titles)]
    prefix = f"{group.replace('/', '.')}."
    own = {
        option.name: option.doc or option.type
        for option in options()
        if option.name.startswith(prefix)
    }
    if own:
        lines += ["", "Options (`help OPTION` describes one):", "", *_table(own)]
    return "\n".join(lines)


def choice_help(choice: Choice) -> str:
    """What a choice is, and the options that it sets."""
    values = {name: yaml_text(value) for name, value in choice.values.items()}
    title = [f"{choice.group}={choice.name}", *_wrapped(choice.title, "  ")]
    return "\n".join([*title, "", "It sets:", "", *_table(values)])


def _table(rows: dict[str, str]) -> list[str]:
    """Two columns; a text of several lines or too long for one is indented below its name."""
    width = max(map(len, rows), default=0) + 4
    lines: list[str] = []
    for name, text in rows.items():
        texts = [part for line in text.splitlines() for part in _wrapped(line, "", WIDTH - width)]
        for index, part in enumerate(texts or [""]):
            lines.append(f"  {name if index == 0 else '':<{width - 2}}{part}")
    return lines


def _wrapped(text: str, indent: str, width: int = 100) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def help_text() -> str:
    """Usage, subcommands, and the groups with their choices."""
    width = 2 + max(map(len, SUBCOMMANDS))
    subcommands = "\n\n".join(
        "\n".join([f"{area}:", *(f"  {name:<{width}}{text}" for name, text in texts.items())])
        for area, texts in SUBCOMMANDS_BY_AREA.items()
    )
    lines = "\n".join(
        f"  {group}: {', '.join(choice.name for choice in choices)}"
        for group, choices in groups().items()
    )
    return f"{USAGE}\n{subcommands}\n\nGroups and their choices:\n\n{lines}\n\n{OPTIONS}"
