"""
Owns: the options that all benchmarks in Python take.
Invariant: what is not understood ends the program with how it is used; so does SIGTERM, with
  everything that was begun undone.
Does not know: what the options mean.
"""
import signal
import sys


class Options:
    """size: full, quick or smoke; runs: 0 unless said."""

    def __init__(self, usage, argv):
        self.out, self.runs, self.size, self.only = "bench-results", 0, "full", ()
        for argument in argv[1:]:
            name, _, value = argument.removeprefix("--").partition("=")
            if argument in ("--quick", "--smoke"):
                self.size = name
            elif argument.startswith("--out=") and value:
                self.out = value
            elif argument.startswith("--runs=") and value.isdigit() and 1 <= int(value) <= 32:
                self.runs = int(value)
            elif argument.startswith("--only=") and value:
                self.only = tuple(value.split(","))
            else:
                print(usage.strip(), file=sys.stderr)
                sys.exit(0 if argument == "--help" else 2)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
