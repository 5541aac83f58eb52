# End-to-end tests: real processes, real sockets. They run in the build folder, wait for answers and
# counters only, and end with 77 (skipped) when a Python module that they need is missing.
TEST_EXTENSIONS = .py
# Debian's, which is the one that has Debian's modules.
PY_LOG_COMPILER = /usr/bin/python3
AM_PY_LOG_FLAGS = -W ignore

e2e_tests = tests/e2e/test_echo.py
TESTS += $(e2e_tests)
EXTRA_DIST += $(e2e_tests)
