"""
Owns: the proof that each rule of rules.py finds what it is there for, and nothing in a clean tree.
Invariant: every rule has a case; each case breaks one rule in a small tree that obeys all others.
Does not know: this project's own tree.
"""
import os
import sys
import tempfile
import unittest

import rules

HEAD = "/*\n * Owns: a.\n * Invariant: b.\n * Thread: c.\n * Does not know: d.\n */\n"
CLEAN = {
    "configure.ac": "AC_INIT\n",
    "README.md": "# small\n",
    "src/base/id.h": HEAD + "/* Reads an id. */\nint id_parse(const char *text);\n"
                            "/* Both ends. */\nint id_first(void);\nint id_last(void);\n",
    "src/net/net.h": HEAD + '#include "base/id.h"\n\n/* A turn. */\nint net_turn(void);\n',
    "src/net/ring.c": HEAD + "#include <liburing.h>\n",
    "src/engine/geo.h": HEAD + "/* How far. */\nstatic inline int geo_far(int a)\n{\n\tint b = f(a);\n\n"
                               "\treturn g(b);\n}\n",
}
# rule -> what is put in place of, or beside, the clean files; and the text that must be found.
CASES = {
    "net_and_daemon_name_no_friend_radius_or_ttl": [
        ({"src/net/net.c": HEAD + "int friend_count;\n"}, "src/net/net.c:7: a word of the engine's: friend"),
        ({"src/net/net.h": HEAD + "/* The user's TTL. */\nint net_turn(void);\n"}, "src/net/net.h:7"),
        ({"src/daemon/core.c": HEAD + "int x = radius_m;\n"}, "src/daemon/core.c:7"),
        ({"src/net/n.tbl": 'X("friends")\n'}, "src/net/n.tbl:1"),
    ],
    "folders_include_only_what_stands_above_them": [
        ({"src/base/id.c": HEAD + '#include "net/net.h"\n'}, "src/base/id.c:7: src/base includes src/net"),
        ({"src/net/x.c": HEAD + '#include "engine/geo.h"\n'}, "src/net includes src/engine"),
        ({"shm/s.c": HEAD + '#include "../src/base/id.h"\n'}, "shm includes src/base"),
    ],
    "the_engine_has_no_clock_thread_or_socket": [
        ({"src/engine/geo.c": HEAD + "#include <pthread.h>\n"}, "src/engine/geo.c"),
        ({"src/engine/geo.c": HEAD + '#include "base/clock.h"\n', "src/base/clock.h": HEAD}, "src/engine/geo.c"),
    ],
    "only_the_gate_reads_locations": [
        ({"src/engine/nearby.c": HEAD + "int x = nearby_table_get();\n"}, "src/engine/nearby.c:7: reads past"),
        ({"src/app/me.c": HEAD + "int x = nearby_table_next();\n"}, "src/app/me.c:7"),
    ],
    "each_foreign_library_has_one_includer": [
        ({"src/net/more.c": HEAD + "#include <liburing.h>\n"}, "liburing is included by"),
        ({"tools/more.c": HEAD + "# include <liburing/io_uring.h>\n"}, "liburing is included by"),
    ],
    "each_foreign_library_is_named_here": [
        ({"src/net/more.c": HEAD + "#include <sys/socket.h>\n#include <uv/unix.h>\n"},
         "src/net/more.c:8: uv/unix.h is of no library"),
    ],
    "every_public_function_has_a_comment": [
        ({"src/base/id.h": HEAD + "\nint id_parse(const char *text);\n"}, "src/base/id.h:8: id_parse"),
        ({"src/base/id.h": HEAD + "/* One. */\nint one(void);\n\nint two(void);\n"}, "two has no comment"),
        ({"src/base/id.h": HEAD + "\nstatic inline int one(void)\n{\n}\n"}, "one has no comment"),
    ],
    "every_source_file_begins_with_its_four_lines": [
        ({"src/base/id.c": "int x;\n"}, "src/base/id.c"),
        ({"tests/unit/test_x.c": HEAD.replace("Thread", "Threads")}, "tests/unit/test_x.c"),
    ],
    "configure_stays_short": [({"configure.ac": "x\n" * 150}, "configure.ac: 150 lines")],
    "nothing_is_marked_unfinished": [({"tools/x.py": "# TO" "DO: more\n"}, "tools/x.py:1")],
    "nothing_names_registries_or_a_machine_s_folders": [
        ({"README.md": "see /wo" "rk/main\n"}, "README.md:1"),
        ({"tools/get": "curl https://py" "pi.org/simple\n"}, "tools/get:1"),
    ],
}


def plant(tree, root):
    for path, content in tree.items():
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write(content)


def findings(tree, rule):
    with tempfile.TemporaryDirectory(prefix="nearby-arch-") as root:
        plant(tree, root)
        return rule(root)


class Rules(unittest.TestCase):
    def setUp(self):
        rules.DOMAIN_WORDS_ALLOWED = {}

    def test_a_clean_tree_breaks_none(self):
        for rule in rules.RULES:
            with self.subTest(rule.__name__):
                self.assertEqual(findings(CLEAN, rule), [])

    def test_every_rule_has_a_case(self):
        self.assertEqual({rule.__name__ for rule in rules.RULES}, set(CASES))

    def test_each_violation_is_found_once_and_where_it_is(self):
        for rule in rules.RULES:
            for tree, wanted in CASES[rule.__name__]:
                with self.subTest(rule.__name__, wanted=wanted):
                    found = findings({**CLEAN, **tree}, rule)
                    self.assertEqual(len(found), 1, found)
                    self.assertIn(wanted, found[0])

    def test_an_exception_for_a_file_that_is_gone_is_found(self):
        rules.DOMAIN_WORDS_ALLOWED = {"src/daemon/gone.c": "was there once"}
        found = findings(CLEAN, rules.net_and_daemon_name_no_friend_radius_or_ttl)
        self.assertEqual(found, ["src/daemon/gone.c: allowed by name, but not there"])

    def test_a_file_that_is_not_distributed_is_found(self):
        with tempfile.TemporaryDirectory(prefix="nearby-arch-") as root:
            plant({"a/README.md": "", "a/tests/x.py": "", "a/README.md~": "", "a/build/config.status": "",
                   "a/build/x": "", "b/README.md": "", "b/configure": ""}, root)
            self.assertEqual(rules.missing_in(root + "/b", root + "/a"), ["tests/x.py"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
