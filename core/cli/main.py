"""The command line of the core: ``isoline train | open | import | encode | decode | dataset | experiment | export |
share | turntable | info``.

Each command is a module of ``core.cli`` with a frozen dataclass ``Options``, of which tyro makes the flags, and
``run(options) -> int``. A command is imported only when it is chosen, and none imports torch before it runs, so that
``--help`` is there at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import MappingProxyType
from typing import Any

import core

COMMANDS = {
    "train": "train a model in a run folder, or resume a run",
    "open": "open the window on a run, or on a model in a Python file of your own",
    "import": "make a run of a model in ONNX files that was trained elsewhere, or of latents alone",
    "encode": "encode images as latent means",
    "decode": "decode latent points or a path to images",
    "dataset": "export the training images; dataset inspect PATH: look at your own before a training; "
    "dataset locate RUN PATH: say where those of a run lie now; dataset allow RUN: let one from elsewhere read its own",
    "experiment": "run one of the published experiments and write its report",
    "slurm": "print a batch script that runs a training, an encoding or an experiment on a cluster",
    "watch": "follow a training in the terminal: losses, speed, time left, findings",
    "share": "write a run as one HTML page in which its decoder runs",
    "export": "write a run for other programs: ONNX, safetensors, TensorBoard, Parquet",
    "layout": "lay out a run's cloud by UMAP or PaCMAP, to look at spaces of many dimensions",
    "turntable": "render one full turn of a run's embedding as a film",
    "info": "show the contents of a run folder and the progress of its training",
}

MODULES = {"import": "import_model"}  # where a command's own name is a word of Python


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0 when done, 1 when a training failed, 2 for a refusal that standard error explains."""
    try:
        status = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()  # now, so that a pipe without a reader fails here and not when Python ends
        return status
    except BrokenPipeError:  # the reader has seen enough, as in `isoline info RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"isoline {core.__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        print(f"isoline: error: there is no command {arguments[0]!r}.\n\n{_overview()}", file=sys.stderr)
        return 2
    return _run(arguments[0], arguments[1:])


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return f"usage: isoline COMMAND [options]\n\n{lines}\n\nisoline COMMAND --help lists the options of a command."


def _run(name: str, arguments: list[str]) -> int:
    if name == "dataset" and arguments[:1] in (["inspect"], ["locate"], ["allow"], ["export"]):
        name, arguments = f"dataset {arguments[0]}".removesuffix(" export"), arguments[1:]
    command = importlib.import_module(f"core.cli.{MODULES.get(name, name.replace(' ', '_'))}")
    try:
        return command.run(_options(command, name, arguments))
    except SystemExit as end:  # tyro's help and usage errors, already printed
        return end.code if isinstance(end.code, int) else (0 if end.code is None else 2)
    except KeyboardInterrupt:
        print(f"isoline {name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        # Errors that were made to be read by a person are the core's own, or the operating system's.
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] != "core":
            raise
        from core.utils.text import printable  # here, for --help needs nothing but this module
        from core.utils.untrusted import refusal

        text = refusal(error) or str(error) or type(error).__name__
        print(f"isoline {name}: error: {printable(text)}", file=sys.stderr)
        return 1 if type(error).__name__ == "TrainingError" else 2


def _options(command: Any, name: str, arguments: list[str]) -> Any:
    import tyro

    from core.config import SETTINGS

    for setting in SETTINGS.values():  # where tyro looks for a help text first: ours says the range, too
        setting.field.metadata = MappingProxyType({"help": setting.help})
    default = command.defaults(arguments) if hasattr(command, "defaults") else None
    return tyro.cli(
        command.Options,
        prog=f"isoline {name}",
        args=arguments,
        **({} if default is None else {"default": default}),
    )
