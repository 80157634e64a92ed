"""List runs, show one, give it a name, a note or tags, pack it into a file, or delete it. Changes
apply to its files and to MLflow. RUN is the folder of a run, the folder's name, the run's own name,
or the beginning of its tracked id."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.paths import (
    outputs_dir,
    outputs_of,
    run_commands,
    with_outputs_option,
)

if TYPE_CHECKING:
    from fashion_exp.evaluation.run_dir import RunDir

ACTIONS = {
    "list": "the runs of the outputs folder, or the jobs of a sweep, best first: runs list [SWEEP]",
    "show": "one run: results, options, note, tags, and the commands that use it: runs show RUN",
    "rename": "give a run another name; its folder keeps its own: runs rename RUN NAME",
    "note": "write a note about a run; an empty text removes it: runs note RUN TEXT",
    "tag": "set tags of a run; NAME= removes one: runs tag RUN NAME=VALUE …",
    "bundle": "pack a run with its models: the same as study export FILE.zip RUN --weights",
    "delete": "delete the folders of runs; their test evaluations stay counted: runs delete RUN …",
}


def run(arguments: list[str]) -> int:
    """Raises `InputError` for a run that does not exist, or that a process is running."""
    args = build_parser().parse_intermixed_args(arguments)
    outputs = outputs_dir(args.outputs)
    words = args.words
    match args.action:
        case "list":
            _list(_listed_runs(words, outputs), outputs, args.json)
        case "show":
            (reference,) = _take(words, ["RUN"], args.action)
            _show(_find(reference, outputs), args.json)
        case "rename" | "note":
            kind = "NAME" if args.action == "rename" else "TEXT"
            reference, text = _take(words, ["RUN", kind], args.action)
            _annotate(args.action, _find(reference, outputs), text)
        case "tag":
            if len(words) < 2:
                raise InputError("runs tag: needs RUN NAME=VALUE …")
            _tag(_find(words[0], outputs), words[1:])
        case "bundle":
            reference, file = _take(words, ["RUN", "FILE.zip"], args.action)
            _bundle(reference, file, outputs)
        case "delete":
            if not words:
                raise InputError("runs delete: needs RUN …; `runs list` lists the runs")
            _delete([_find(word, outputs) for word in dict.fromkeys(words)], outputs, args.yes)
    return 0


def build_parser() -> Parser:
    actions = "\n".join(f"  {name:<8}{text}" for name, text in ACTIONS.items())
    parser = Parser(
        prog="fashion_exp runs", description=f"{__doc__}\n\n{actions}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("action", choices=list(ACTIONS), help="see above")
    parser.add_argument("words", nargs="*", metavar="RUN …", help="what the action takes")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    parser.add_argument("--json", action="store_true", help="print JSON (list and show)")
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    return parser


def _take(words: Sequence[str], names: Sequence[str], action: str) -> list[str]:
    if len(words) != len(names):
        raise InputError(f"runs {action}: needs {' '.join(names)}, got {len(words)} words")
    return list(words)


def _find(reference: str, outputs: Path) -> RunDir:
    from fashion_exp.comparison.find_runs import find_run

    return find_run(reference, outputs)


def _listed_runs(words: Sequence[str], outputs: Path) -> list[RunDir]:
    from fashion_exp.comparison.find_runs import single_runs, sweep_jobs
    from fashion_exp.sweeps.find_sweeps import find_sweep, list_sweeps

    if len(words) > 1:
        raise InputError("runs list: takes one SWEEP at most")
    return sweep_jobs(find_sweep(list_sweeps(outputs), words[0])) if words else single_runs(outputs)


def _overview(run: RunDir) -> dict[str, Any]:
    """An item of `list --json`."""
    from fashion_exp.comparison.find_runs import run_name, tracked_id
    from fashion_exp.evaluation.annotations import load_annotations
    from fashion_exp.evaluation.results import load_result
    from fashion_exp.evaluation.targets import measures

    row: dict[str, Any] = {
        "folder": str(run.path),
        "name": run_name(run),
        "state": run.activity,
    }
    if run.overrides_file.exists():
        started = time.localtime(run.overrides_file.stat().st_mtime)
        row["started"] = time.strftime("%Y-%m-%d %H:%M:%S", started)
    row["tracked"] = tracked_id(run)[0]
    with suppress(InputError):  # of a damaged file; `doctor` reports it
        annotations = load_annotations(run.path)
        row |= {"note": annotations.note, "tags": annotations.tags}
        if run.is_finished:
            result = load_result(run.path)
            row["measure"] = measures(result.facts)[0]
            row |= result.summary("validation").metrics()
            if result.test_evaluations:
                row |= result.summary("test").metrics()
                row["test_evaluations"] = result.test_evaluations
    return row


def _list(runs: Sequence[RunDir], outputs: Path, as_json: bool) -> None:
    rows = [_overview(run) for run in runs]
    if runs and runs[0].path.parent.parent.name == "sweeps":  # their folders are hashes
        rows.sort(key=lambda row: row.get("val_acc") or 0, reverse=True)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:  # not a table: the names are long and meant to be copied
        print(Path(row["folder"]).name)
        print("    " + "; ".join(_facts(row)))
    sweeps = len(list((outputs / "sweeps").glob("*/sweep.json")))
    if not rows:
        print(f"no runs in {outputs / 'runs'}")
    if sweeps and not any(run.path.parent.parent.name == "sweeps" for run in runs):
        command = with_outputs_option("scripts/run runs list SWEEP", outputs)
        print(f"The jobs of the sweeps ({sweeps}) are not listed here: {command}")


def _facts(row: dict[str, Any]) -> list[str]:
    facts = [row["name"], row["state"], _accuracy(row, "val", "validation")]
    facts += [_accuracy(row, "test", "test"), row.get("note", "").partition("\n")[0]]
    facts += [f"{name}={value}" for name, value in row.get("tags", {}).items()]
    return [fact for fact in facts if fact]


def _accuracy(row: dict[str, Any], prefix: str, part: str) -> str:
    from fashion_exp.reporting.formats import with_limits

    if row.get(f"{prefix}_acc") is None:
        return ""
    scores = (row[f"{prefix}_{name}"] for name in ("acc", "lo", "hi"))
    measure = row.get("measure", "accuracy")
    name = part if measure == "accuracy" else f"{part} {measure}"
    return f"{name} {with_limits(*scores)}"


def _show(run: RunDir, as_json: bool) -> None:
    from fashion_exp.configuration.overrides import rerun_command, rerun_overrides, resume_command
    from fashion_exp.evaluation.run_dir import RunDir

    row, outputs = _overview(run), outputs_of(run.path)
    typed = run.overrides() if run.overrides_file.exists() else []
    overrides = [redact_credentials(text) for text in typed]
    if run.is_imported:
        commands = {"to import it": run.import_command}
    else:
        commands = {"to train it again": rerun_command(rerun_overrides(typed, outputs))}
    if run.is_finished:
        commands |= run_commands(run.path, outputs or outputs_dir(None))
    elif outputs is not None and run.path.parent == outputs / "runs":
        commands["to continue it"] = resume_command(run.path)
    if row["state"] == "failed":
        row["failure"] = RunDir(run.path).failure
    if as_json:
        print(json.dumps(row | {"overrides": overrides, "commands": commands}, indent=1))
        return
    accuracies = [_accuracy(row, "val", "validation"), _accuracy(row, "test", "test")]
    texts = {
        "folder": row["folder"],
        "name": row["name"],
        "state": row["state"],
        "started": row.get("started", ""),
        "tracked as": row["tracked"],
        row.get("measure", "accuracy"): ", ".join(filter(None, accuracies)),
        "failure": row.get("failure", ""),
        "options": " ".join(overrides),
        "note": row.get("note", ""),
        "tags": " ".join(f"{name}={value}" for name, value in row.get("tags", {}).items()),
        **commands,
    }
    for name, text in texts.items():
        if text:
            print(f"{name + ':':<19}{text}")


def _annotate(action: str, run: RunDir, text: str) -> None:
    from fashion_exp.tools.runs.annotate import rename, write_note

    reason = (rename if action == "rename" else write_note)(run, text)
    _print_done(f"{run.path.name}: {action}: {text or 'removed'}", reason, run)


def _bundle(reference: str, file: str, outputs: Path) -> None:
    from fashion_exp.api.studies import export_study
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.formats import data_size

    run = load_run(reference, outputs).run.path  # a refit too, and of a sweep the winner
    study = export_study(file, run, weights=True, outputs=outputs)
    print(f"{run.name}: {study.file} ({data_size(study.file.stat().st_size)})")


def _tag(run: RunDir, words: Sequence[str]) -> None:
    from fashion_exp.tools.runs.annotate import change_tags

    changes = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and name.strip()):
            raise InputError(f"runs tag {word}: write NAME=VALUE, or NAME= to remove a tag")
        changes[name.strip()] = value.strip()
    reason = change_tags(run, changes)
    _print_done(f"{run.path.name}: tags {' '.join(words)}", reason, run)


def _delete(runs: Sequence[RunDir], outputs: Path, yes: bool) -> None:
    from fashion_exp.reporting.formats import pluralize
    from fashion_exp.tools.runs.delete import (
        counted_evaluations,
        delete_run,
        remove_unused_backbones,
    )

    count = counted_evaluations(runs)
    for run in runs:
        print(run.path)
    confirm(f"Delete {pluralize(len(runs), 'run')} with all files?", yes)
    for run in runs:
        reason = delete_run(run, outputs_of(run.path) or outputs)
        _print_done(f"deleted {run.path.name}", reason, run)
    remove_unused_backbones(outputs)
    print_kept_evaluations(count)


def print_kept_evaluations(count: int) -> None:
    if count:
        phrase = "evaluation of a test set stays" if count == 1 else "evaluations of test sets stay"
        print(f"{count} {phrase} counted.")


def confirm(question: str, yes: bool, done: str = "deleted") -> None:
    """Asks on the terminal. Raises `InputError` unless the answer is yes: nothing was `done`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nothing was {done}; confirm with --yes")
    if input(f"{question} [y/N] ").strip().casefold() not in ("y", "yes"):
        raise InputError(f"nothing was {done}")


def _print_done(text: str, reason: str, run: RunDir) -> None:
    print(text)
    print_untracked(reason, outputs_of(run.path))


def print_untracked(reason: str, outputs: Path | None) -> None:
    """Says that the tracking store was not changed, and which command changes it later."""
    if reason:
        command = with_outputs_option("scripts/run doctor --fix", outputs or outputs_dir(None))
        print(f"The tracking store was not changed ({reason}); `{command}` changes it later.")
