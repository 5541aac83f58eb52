"""
Owns: the verdict on a distribution: it has every file of the source tree.
Invariant: fails with each file that is missing on a line of its own.
Does not know: what a file is for.

  check_dist.py SOURCE DISTRIBUTION
"""
import sys

import rules

if __name__ == "__main__":
    missing = rules.missing_in(sys.argv[2], sys.argv[1])
    for path in missing:
        print(f"not distributed (EXTRA_DIST of its folder's local.mk?): {path}")
    sys.exit(missing != [])
