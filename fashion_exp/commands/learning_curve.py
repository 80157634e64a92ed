"""Whether more photos would help a run: accuracies on nested subsets of its training part, on
stored features, and a curve fitted to them. The run's backbone must be frozen."""

from __future__ import annotations

import json

from fashion_exp.commands.parser import Parser


def run(arguments: list[str]) -> int:
    """Raises `InputError`."""
    parser = Parser(prog="fashion_exp learning_curve", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder, name or tracked id of a run")
    parser.add_argument("--more", type=int, metavar="N", help="further photos; default: 500")
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME",
        help="vary the photos of one class alone, and judge its recall",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N", help="default: one for each core")
    parser.add_argument("--into", help="folder of the files; default: learning_curve in RUN")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(arguments)
    from fashion_exp.api.active import MORE, learning_curve

    curve, figure = learning_curve(
        args.run, more=MORE if args.more is None else args.more, class_name=args.class_name,
        workers=args.workers, into=args.into, uri=args.uri, outputs=args.outputs,
    )  # fmt: skip
    if args.json:
        print(json.dumps({**curve.as_json(), "figure": str(figure)}, indent=1))
        return 0
    from fashion_exp.reporting.console import plain_console

    console = plain_console()
    console.print(curve.as_table())
    for sentence in curve.sentences():
        console.print(sentence)
    console.print(f"figure: {figure}", soft_wrap=True)
    return 0
