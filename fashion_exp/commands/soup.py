"""Average the weights of a run's models into one model (Wortsman et al. 2022), and judge it on the
run's test photos, which is counted. The models must have been trained from the same pretrained
weights."""

from __future__ import annotations

import json

from fashion_exp.commands.parser import Parser
from fashion_exp.paths import check_writable, outputs_dir


def run(arguments: list[str]) -> int:
    """Prints the folder of the new model and its results. Raises `InputError`."""
    parser = Parser(prog="fashion_exp soup", description=__doc__)
    parser.add_argument(
        "run", metavar="RUN", help="folder or name of a run, or a sweep: its winner"
    )
    parser.add_argument(
        "--greedy", action="store_true",
        help="only models that do not lower the accuracy on validation photos that no model was "
        "trained on; default: all models",
    )  # fmt: skip
    parser.add_argument(
        "--evaluate-test", action="store_true", help="evaluate the run's test if it is held out"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    args = parser.parse_args(arguments)
    from fashion_exp.experiment.worker import log_to_console
    from fashion_exp.inference.soup import make_soup, sentences, soup_facts
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    outputs = outputs_dir(args.outputs)
    check_writable(outputs)
    console = plain_console(stderr=args.json)
    with log_to_console(console), Progress(console) as progress:
        study = load_run(args.run, outputs, args.uri)
        made = make_soup(study, progress, args.greedy, args.evaluate_test)
    if args.json:
        print(json.dumps(soup_facts(made), indent=1))
        return 0
    for sentence in sentences(made):
        console.print(sentence)
    console.print(f"model: {made.trained.run.path}", soft_wrap=True)
    return 0
