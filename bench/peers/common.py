"""What the peers' scripts share: their exit codes, PyTorch where it is there, and our engine as a process that is driven by lines."""

import argparse
import json
import shlex
import subprocess
import sys

OK = 0
FAILED = 1
USAGE = 2  # argparse's own
MISSING = 3  # PyTorch, transformers or a GPU is not here


class Missing(Exception):
    """Something that is measured against is not on this machine."""


class Failed(Exception):
    """A result is wrong, or the other process broke off."""


def run(main, parser: argparse.ArgumentParser) -> int:
    """Parses, runs, and turns what goes wrong into one line and an exit code."""
    arguments = parser.parse_args()
    try:
        main(arguments)
        return OK
    except Missing as reason:
        print(reason)
        return MISSING
    except (Failed, OSError) as reason:
        print(f"{parser.prog}: {reason}")
        return FAILED


def import_torch(needs_transformers: bool = False):
    """torch (and transformers), where there is a CUDA device for them."""
    try:
        import torch
    except ImportError as error:
        raise Missing(f"PyTorch is not installed for {sys.executable} ({error}); install torch, or set PYTHON to one that has it.") from None
    transformers = None
    if needs_transformers:
        try:
            import transformers
        except ImportError as error:
            raise Missing(f"transformers is not installed for {sys.executable} ({error}); install transformers.") from None
        if not hasattr(transformers, "PixioModel"):
            raise Missing(f"transformers {transformers.__version__} has no PixioModel; install a later one.")
    if not torch.cuda.is_available():
        raise Missing(f"PyTorch {torch.__version__} sees no CUDA device.")
    # Float32 means float32: no TF32 anywhere.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return (torch, transformers) if needs_transformers else torch


def versions(torch, transformers=None) -> dict:
    """What a report has to say of the peer."""
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": getattr(transformers, "__version__", None),
        "gpu": torch.cuda.get_device_name(),
    }


class Ours:
    """Our engine with one model, in a process of its own that uses the GPU only between a line and its answer."""

    def __init__(self, command: str, **options):
        words = shlex.split(command)
        for name, value in options.items():
            if value is not None:
                words += [f"--{name}", str(value)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self._answer(" ".join(words))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def ask(self, line: str) -> dict:
        """Sends a line and waits for its answer."""
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer's end says so
        return self._answer(line)

    def _answer(self, line: str) -> dict:
        answer = self._process.stdout.readline()
        if not answer:
            raise Failed(f"our process ended with exit code {self._process.wait()} at: {line}")
        return json.loads(answer)


def write_report(path, report: dict) -> None:
    """Writes a report as JSON."""
    if path is not None:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")


def median(values) -> float:
    """The middle of some numbers."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def positive(text: str) -> float:
    """An argument above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not above 0")
    return value


def count(text: str) -> int:
    """An argument that is a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return value
