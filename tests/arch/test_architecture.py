"""
Owns: the verdict of every rule on this source tree.
Invariant: fails with each finding on a line of its own.
Does not know: what the rules are; see rules.py.
"""
import os
import sys

import rules

if __name__ == "__main__":
    root = os.environ["TEST_SOURCE"]
    broken = 0
    for rule in rules.RULES:
        findings = rule(root)
        print(("ok      " if not findings else "BROKEN  ") + rule.__name__.replace("_", " "))
        for finding in findings:
            print("        " + finding)
        broken += bool(findings)
    sys.exit(broken != 0)
