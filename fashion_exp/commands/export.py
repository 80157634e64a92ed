"""Write a run's models as one file that other programs run, and check that it answers alike."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode
from fashion_exp.paths import expand_user, outputs_dir

EPILOG = """\
onnx (for onnxruntime) and pt2 (torch.export) take photos of any size, uint8 RGB, and give
probabilities; resizing, normalization, the ensemble and softmax are inside. timm is a folder for
timm.create_model("local-dir:FOLDER", pretrained=True). The answers to the run's validation photos
are compared in a fresh process; if they differ, no file is written and the exit code is 1.
"""


def run(arguments: list[str]) -> int:
    """Prints what was written and how it was checked. Raises `InputError` and `ExportError`."""
    args = _parser().parse_args(arguments)
    from fashion_exp.inference.calibration import load_calibration
    from fashion_exp.inference.export import SUFFIXES, export, transform_text
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    trained = load_run(args.run, outputs_dir(args.outputs), args.uri)
    default = Path(f"{trained.run.path.name}{SUFFIXES[args.format]}")
    into = expand_user(args.into, "--into") if args.into else default
    with Progress(plain_console(stderr=True)) as progress:
        known = {} if args.uncalibrated else load_calibration(trained, progress).temperature
        exported = export(
            trained, args.format, into, progress,
            model=args.model, temperatures=known, int8=args.int8, any_size=args.size == "any",
        )  # fmt: skip
    if args.json:
        print(json.dumps(exported.as_json(), indent=1))
        return ExitCode.DONE
    print(f"{exported.path}: {', '.join(exported.models)}; {exported.input}")
    print(f"{'before quantization: ' if args.int8 else ''}{exported.proof}")
    if exported.transform:
        difference = transform_text(trained)
        print(
            f"photos in timm's transform{f' ({difference})' if difference else ''}: "
            f"{exported.transform}"
        )
    if exported.quantization:
        print(exported.quantization)
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fashion_exp export", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "run", metavar="RUN", help="folder or name of a run, a sweep (its winner), a tracked id"
    )
    parser.add_argument("--format", choices=("onnx", "pt2", "timm"), default="onnx")
    parser.add_argument(
        "--into", metavar="PATH", help="default: RUN.onnx, RUN.pt2 or RUN-timm, here"
    )
    parser.add_argument("--model", help="one model, such as r0f0; default: all as an ensemble")
    parser.add_argument(
        "--size", choices=("any", "run"), default="any",
        help="photos that the file takes: of any size, or fitted to the run's input size before",
    )  # fmt: skip
    parser.add_argument(
        "--int8", action="store_true", help="quantize (onnx, the run's input size) and measure it"
    )
    parser.add_argument(
        "--uncalibrated", action="store_true", help="without the temperatures of `calibrate`"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    parser.add_argument("--uri", help="tracking store of a run given by its id")
    return parser
