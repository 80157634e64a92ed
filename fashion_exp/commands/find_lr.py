"""Find a learning rate to start from: the rate grows from update to update while the loss of the
training images is watched (Smith 2017). It is a value to sweep around, and no evidence that it is
the best one."""

from __future__ import annotations

import json

from fashion_exp.commands.parser import Parser
from fashion_exp.paths import writable_folder


def run(arguments: list[str]) -> int:
    """Prints the suggestion and where its picture is. Raises `InputError`."""
    parser = Parser(
        prog="fashion_exp find_lr", description=__doc__,
        epilog="Example: find_lr dataset=folder dataset.root=PHOTOS model=resnet50",
    )  # fmt: skip
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE", help="of the experiment")
    parser.add_argument("--lowest", type=float, metavar="LR", help="first rate; default: 1e-7")
    parser.add_argument("--highest", type=float, metavar="LR", help="last rate; default: 10")
    parser.add_argument("--updates", type=int, metavar="N", help="default: 100")
    parser.add_argument("--into", help="folder of the picture; default: in outputs/lr_finder")
    parser.add_argument("--config-dir", help="folder with choices of your own")
    parser.add_argument("--outputs", help="folder of the results; default: as for experiments")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_intermixed_args(arguments)
    into = writable_folder(args.into, "--into") if args.into else None
    options = [*args.options]
    options += [f"outputs={args.outputs}"] if args.outputs else []
    options += [f"--config-dir={args.config_dir}"] if args.config_dir else []
    from fashion_exp.api.lr_finder import find_lr

    result = find_lr(
        *options, into=into, lowest=args.lowest, highest=args.highest, updates=args.updates
    )
    if args.json:
        print(json.dumps(result.as_json(), indent=1))
        return 0
    updates, images = len(result.curve.rates), result.curve.images
    print(f"optim.lr={result.suggested:g}  ({updates} updates on {images:,} training photos)")
    print(
        f"A starting value that was not tested: compare it with others by --multirun {result.sweep}"
    )
    print(f"picture: {result.figure}")
    return 0
