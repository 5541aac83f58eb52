"""
Owns: the rules that hold the architecture, each a function of a source tree.
Invariant: a rule returns its findings as texts that begin with a file's name; none means it holds.
Does not know: git, the build; it reads the files that are there.
"""
import os
import re

CODE = (".c", ".h")
# What each layer may include besides itself, from the top down. A layer that is not named here
# (tests, for they look at everything) is free.
LAYERS = {
    "src/base": [],
    "shm": [],
    "src/proto": ["src/base", "shm"],
    "src/engine": ["src/base", "shm", "src/proto"],
    "src/store": ["src/base", "shm"],
    "src/net": ["src/base"],
    "src/app": ["src/base", "shm", "src/proto", "src/engine", "src/store", "src/net"],
    "src/daemon": ["src/base", "shm", "src/proto", "src/engine", "src/store", "src/net", "src/app"],
}
# What the engine must not reach: it has no clock, no memory of its own but at start, no threads.
ENGINE_FORBIDDEN = re.compile(
    r'^\s*#\s*include\s+(<(pthread|threads|time|unistd|stdio|sys/\w+|netinet/\w+)\.h>'
    r'|"base/(clock|log|ring)\.h"|"proto/codec\.h")', re.M)
# Foreign libraries, as their headers begin: one file of the programs includes all that it needs.
FOREIGN = ("liburing", "ck_", "lmdb.h", "wslay/", "http_parser.h", "jansson", "protobuf-c/", "proto/nearby.pb-c", "cjose/", "openssl/evp", "openssl/sha", "openssl/pem",
           "openssl/core_names", "openssl/rand", "openssl/ssl", "openssl/x509v3", "curl/", "sqlite3.h")
# A part of a foreign library without which none of its other parts can be used: any file that has one.
FOREIGN_SHARED = ("openssl/err",)
# Folders of libc's and the kernel's headers; one in any other folder is a foreign library's.
SYSTEM_FOLDERS = ("sys/", "netinet/", "arpa/", "linux/", "sanitizer/")
DOMAIN_WORDS = re.compile(r"(?<![a-z])(friend|radius|ttl)s?(?![a-z])", re.I)
# Files of src/net and src/daemon that may all the same, and why: none.
DOMAIN_WORDS_ALLOWED = {}
# Where the daemon may read locations, or ask where one is shown: the gate that decides who sees what.
GATE = "src/engine/privacy.c"
READS_LOCATIONS = re.compile(r"\b(nearby_table_(get|get_many|next)|grid_(place|snap))\b")
DEFINE_GRIDS = ("src/engine/grid.c", "src/engine/grid.h")
HEAD = ("Owns:", "Invariant:", "Thread:", "Does not know:")
CONFIGURE_LINES_MAX = 149
# Split, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
ELSEWHERE = re.compile(
    r"(?<![\w.])/wo" r"rk/|py" r"pi\.org|npm" r"js\.(org|com)|crates" r"\.io"
    r"|proxy\.go" r"lang|deb\.deb" r"ian\.org|rubyg" r"ems\.org")


def files(root, endings=None):
    """Relative names of the files of a tree: no build folders, nothing hidden but .ci, nothing that
    protobuf-c generated."""
    for folder, folders, names in os.walk(root):
        top = os.path.relpath(folder, root)
        folders[:] = sorted(f for f in folders
                            if (not f.startswith(".") or f == ".ci")
                            and f not in ("autom4te.cache", "__pycache__")
                            and not (top == "." and (f.startswith(("build", "_build", "_inst"))))
                            and not os.path.exists(os.path.join(folder, f, "config.status")))
        for name in sorted(n for n in names if not n.startswith(".") and ".pb-c." not in n):
            path = os.path.normpath(os.path.join(top, name))
            if endings is None or name.endswith(endings):
                yield path


def text(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def without_comments(source):
    """Comments become blanks; lines keep their numbers."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"/\*.*?\*/|//[^\n]*", blank, source, flags=re.S)


def line_of(source, position):
    return source.count("\n", 0, position) + 1


def layer_of(path):
    for layer in LAYERS:
        if path.startswith(layer + "/"):
            return layer
    return None


def matches(root, path, pattern, what, source=None):
    source = text(root, path) if source is None else source
    return [f"{path}:{line_of(source, m.start())}: {what}: {m.group().strip()}"
            for m in pattern.finditer(source)]


def net_and_daemon_name_no_friend_radius_or_ttl(root):
    found = []
    for path in files(root, CODE + (".tbl",)):
        if layer_of(path) not in ("src/net", "src/daemon") or path in DOMAIN_WORDS_ALLOWED:
            continue
        found += matches(root, path, DOMAIN_WORDS, "a word of the engine's")
    found += [f"{path}: allowed by name, but not there" for path in DOMAIN_WORDS_ALLOWED
              if not os.path.exists(os.path.join(root, path))]
    return found


def includes(root, path):
    """(position, file) of every `#include "..."` in path that leads to a file of this tree."""
    for m in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text(root, path), re.M):
        for folder in (os.path.dirname(path), "src", "shm"):
            candidate = os.path.normpath(os.path.join(folder, m.group(1)))
            if os.path.exists(os.path.join(root, candidate)):
                yield m.start(), candidate
                break


def folders_include_only_what_stands_above_them(root):
    found = []
    for path in files(root, CODE):
        layer = layer_of(path)
        if layer is None:
            continue
        for position, file in includes(root, path):
            other = layer_of(file)
            if other not in (None, layer) and other not in LAYERS[layer]:
                found.append(f"{path}:{line_of(text(root, path), position)}: {layer} includes {other}")
    return found


def the_engine_has_no_clock_thread_or_socket(root):
    return [finding for path in files(root, CODE) if layer_of(path) == "src/engine"
            for finding in matches(root, path, ENGINE_FORBIDDEN, "not for the engine")]


def only_the_gate_reads_locations(root):
    return [finding for path in files(root, CODE) if path.startswith("src/") and path not in (GATE, *DEFINE_GRIDS)
            for finding in matches(root, path, READS_LOCATIONS, "reads past the gate",
                                   without_comments(text(root, path)))]


def each_foreign_library_has_one_includer(root):
    found = []
    sources = [p for p in files(root, CODE) if not p.startswith("tests/")]
    for library in FOREIGN:
        include = re.compile(r'^\s*#\s*include\s+[<"]%s' % re.escape(library), re.M)
        includers = [p for p in sources if include.search(text(root, p))]
        found += [f"{p}: {library} is included by {includers[0]} already" for p in includers[1:]]
    return found


def each_foreign_library_is_named_here(root):
    return [f"{path}:{line_of(text(root, path), m.start(1))}: {m.group(1)} is of no library in FOREIGN"
            for path in files(root, CODE) if not path.startswith("tests/")
            for m in re.finditer(r"^\s*#\s*include\s+<([^>]+/[^>]+)>", text(root, path), re.M)
            if not m.group(1).startswith(FOREIGN + FOREIGN_SHARED + SYSTEM_FOLDERS)]


def public_headers(root):
    """Those that a file of another folder includes, tests aside."""
    return sorted({file for path in files(root, CODE) if not path.startswith("tests/")
                   for _, file in includes(root, path)
                   if file.endswith(".h") and os.path.dirname(file) != os.path.dirname(path)})


def every_public_function_has_a_comment(root):
    """In a public header, a paragraph (no blank line in it) that declares functions says what they
    do."""
    found = []
    for path in public_headers(root):
        source = text(root, path)
        code = without_comments(source)
        commented, depth = False, 0
        for number, (line, bare) in enumerate(zip(source.split("\n"), code.split("\n")), 1):
            if depth == 0:
                commented = bool(line.strip()) and (commented or line.lstrip().startswith("/*"))
                declares = re.match(r"[a-z_][\w \*]*?\b(\w+)\s*\(", bare)
                if declares and not commented and not bare.startswith(("typedef", "extern", "#")):
                    found.append(f"{path}:{number}: {declares.group(1)} has no comment")
            depth += bare.count("{") - bare.count("}") - (bare.strip() == 'extern "C" {')
            depth = max(depth, 0)
    return found


def every_source_file_begins_with_its_four_lines(root):
    found = []
    for path in files(root, CODE):
        source = text(root, path)
        head = source[:source.find("*/")] if source.startswith("/*\n") else ""
        places = [head.find(f" * {word}") for word in HEAD]
        if -1 in places or places != sorted(places):
            found.append(f"{path}: does not begin with {', '.join(HEAD)}")
    return found


def configure_stays_short(root):
    lines = text(root, "configure.ac").count("\n")
    return [] if lines <= CONFIGURE_LINES_MAX else [f"configure.ac: {lines} lines"]


def nothing_is_marked_unfinished(root):
    return [finding for path in tracked(root)
            for finding in matches(root, path, UNFINISHED, "unfinished")]


def nothing_names_registries_or_a_machine_s_folders(root):
    return [finding for path in tracked(root)
            for finding in matches(root, path, ELSEWHERE, "not of this project")]


def tracked(root):
    """Text that people wrote: what the build tools generate beside it is left out."""
    generated = ("aclocal.m4", "configure", "configure~", "config.h.in", "config.h.in~", "Makefile.in")
    for path in files(root):
        if path not in generated and not path.startswith("m4/") and b"\0" not in head_bytes(root, path):
            yield path


def missing_in(copy, root):
    """Files of the tree that its copy lacks; what editors and compilers leave in a tree is no file of it."""
    leftovers = ("~", ".o", ".lo", ".la", ".log", ".trs")
    return sorted(path for path in set(files(root)) - set(files(copy)) if not path.endswith(leftovers))


def head_bytes(root, path):
    with open(os.path.join(root, path), "rb") as file:
        return file.read(4096)


RULES = (
    net_and_daemon_name_no_friend_radius_or_ttl,
    folders_include_only_what_stands_above_them,
    the_engine_has_no_clock_thread_or_socket,
    only_the_gate_reads_locations,
    each_foreign_library_has_one_includer,
    each_foreign_library_is_named_here,
    every_public_function_has_a_comment,
    every_source_file_begins_with_its_four_lines,
    configure_stays_short,
    nothing_is_marked_unfinished,
    nothing_names_registries_or_a_machine_s_folders,
)
