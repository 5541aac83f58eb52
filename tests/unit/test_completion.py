"""
Owns: what bash completes for nearbyctl.
Invariant: asks a real bash, with the completion file of this build, what a user would see.
Does not know: how the file is made.
"""
import os
import re
import subprocess
import sys
import unittest

BUILD = os.environ["TEST_BUILD"]


def complete(*words):
    """What is offered for the last word of a command line."""
    line = ["nearbyctl", *words]
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nearbyctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    out = subprocess.run(["bash", "-c", script, "-", os.path.join(BUILD, "tools/nearbyctl"), *line],
                         cwd=os.environ["TEST_SOURCE"], capture_output=True, text=True, check=True)
    assert out.stderr == "", out.stderr
    return sorted(set(out.stdout.split()))


class Completion(unittest.TestCase):
    def test_every_command_of_the_help_is_offered_and_no_other(self):
        shown = subprocess.run([os.path.join(BUILD, "nearbyctl"), "--help"], capture_output=True,
                               text=True, check=True).stdout
        table = shown.split("Commands:\n")[1].split("\n\n")[0]
        commands = re.findall(r"^  ([a-z-]+(?: [a-z]+)?)", table, re.M)
        self.assertGreater(len(commands), 15)
        self.assertEqual(complete(""), sorted({command.split()[0] for command in commands}))
        for first in {command.split()[0] for command in commands if " " in command}:
            seconds = sorted(c.split()[1] for c in commands if c.startswith(first + " "))
            self.assertEqual(complete(first, ""), seconds)

    def test_a_beginning_narrows(self):
        self.assertEqual(complete("us"), ["user"])
        self.assertEqual(complete("user", "g"), ["get"])

    def test_options_are_those_of_any_command_and_of_this_one(self):
        self.assertEqual(complete("--js"), ["--json"])
        self.assertNotIn("--from", complete("--"))
        self.assertIn("--from", complete("history", "7", "--"))
        self.assertIn("--json", complete("history", "7", "--"))
        self.assertNotIn("--name", complete("history", "7", "--"))

    def test_values_of_options_are_no_words_of_the_command(self):
        self.assertEqual(complete("-i", "user", "sta"), ["status"])
        self.assertEqual(complete("--instance", "x", "user", "g"), ["get"])
        self.assertEqual(complete("--instance=x", "user", "g"), ["get"])
        self.assertEqual(complete("history", "7", "--format", "g"), ["geojson"])

    def test_files_and_folders_are_offered_where_they_are_asked_for(self):
        self.assertIn("README.md", complete("import", "friends", "REA"))
        self.assertEqual(complete("backup", "tool"), ["tools"])
        self.assertEqual(complete("backup", "REA"), [])
        self.assertIn("README.md", complete("token", "7", "--key", "REA"))
        self.assertEqual(complete("user", "get", ""), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
