/*
 * Owns: what src/daemon/paths.h promises.
 * Invariant: each test has a directory of its own under $TMPDIR and leaves nothing there.
 * Thread: one.
 * Does not know: anything else of src/daemon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/paths.h"

static char scratch[64];

static int make_scratch(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/nearby-paths-XXXXXX");
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("XDG_RUNTIME_DIR");
	return mkdtemp(scratch) == NULL;
}

static int remove_scratch(void **state)
{
	(void)state;
	return rmdir(scratch);
}

static void path_is(const char *wanted)
{
	char path[PATHS_SOCKET_BYTES];
	assert_int_equal(paths_control_socket("city", path), 0);
	assert_string_equal(path, wanted);
}

static void systemd_s_directory_comes_first(void **state)
{
	(void)state;
	setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
	setenv("RUNTIME_DIRECTORY", "/run/here:/run/there", 1);
	path_is("/run/here/city.sock");
}

static void then_root_s_or_the_login_session_s_then_tmp(void **state)
{
	(void)state;
	char in_tmp[PATHS_SOCKET_BYTES];
	snprintf(in_tmp, sizeof(in_tmp), "/tmp/nearby-%u/city.sock", (unsigned)geteuid());
	path_is(geteuid() == 0 ? "/run/nearby/city.sock" : in_tmp);
	setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
	path_is(geteuid() == 0 ? "/run/nearby/city.sock" : "/run/user/1000/nearby/city.sock");
}

static void a_relative_directory_in_the_environment_counts_for_nothing(void **state)
{
	(void)state;
	setenv("RUNTIME_DIRECTORY", "here", 1);
	char path[PATHS_SOCKET_BYTES];
	assert_int_equal(paths_control_socket("city", path), 0);
	assert_int_equal(path[0], '/');
}

static void what_is_no_instance_s_name_or_no_socket_s_path_is_refused(void **state)
{
	(void)state;
	char path[PATHS_SOCKET_BYTES];
	assert_int_equal(paths_control_socket("", path), -EINVAL);
	assert_int_equal(paths_control_socket("../city", path), -EINVAL);
	assert_int_equal(paths_control_socket("123456789012345678901234567890123", path), -EINVAL);
	char directory[PATHS_SOCKET_BYTES + 1] = "/";
	memset(directory + 1, 'd', PATHS_SOCKET_BYTES - 1);
	setenv("RUNTIME_DIRECTORY", directory, 1);
	assert_int_equal(paths_control_socket("city", path), -ENAMETOOLONG);
}

static void a_directory_is_made_private_once_and_trusted(void **state)
{
	(void)state;
	char path[PATHS_SOCKET_BYTES], directory[80];
	snprintf(directory, sizeof(directory), "%s/nearby", scratch);
	snprintf(path, sizeof(path), "%s/city.sock", directory);
	assert_int_equal(paths_directory_verify(path), -ENOENT);
	assert_int_equal(paths_directory_make(path), 0);
	assert_int_equal(paths_directory_make(path), 0);
	struct stat made;
	assert_int_equal(stat(directory, &made), 0);
	assert_int_equal(made.st_mode & 07777, 0700);
	assert_int_equal(rmdir(directory), 0);
}

static void one_that_others_may_write_to_or_that_is_a_link_is_not(void **state)
{
	(void)state;
	char path[PATHS_SOCKET_BYTES], directory[80];
	snprintf(directory, sizeof(directory), "%s/nearby", scratch);
	snprintf(path, sizeof(path), "%s/city.sock", directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(paths_directory_make(path), -EPERM);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(symlink("/run", directory), 0);
	assert_int_equal(paths_directory_make(path), -ENOTDIR);
	assert_int_equal(unlink(directory), 0);
}

static void one_that_is_another_user_s_is_not_trusted_but_by_root(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	char path[PATHS_SOCKET_BYTES], directory[80];
	snprintf(directory, sizeof(directory), "%s/nearby", scratch);
	snprintf(path, sizeof(path), "%s/city.sock", directory);
	assert_int_equal(chmod(scratch, 0755), 0);
	assert_int_equal(paths_directory_make(path), 0);
	assert_int_equal(chown(directory, 4711, 4711), 0);
	assert_int_equal(paths_directory_verify(path), 0);
	assert_int_equal(seteuid(4712), 0);
	assert_int_equal(paths_directory_verify(path), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(rmdir(directory), 0);
}

#define PATHS_TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATHS_TEST(systemd_s_directory_comes_first),
		PATHS_TEST(then_root_s_or_the_login_session_s_then_tmp),
		PATHS_TEST(a_relative_directory_in_the_environment_counts_for_nothing),
		PATHS_TEST(what_is_no_instance_s_name_or_no_socket_s_path_is_refused),
		PATHS_TEST(a_directory_is_made_private_once_and_trusted),
		PATHS_TEST(one_that_others_may_write_to_or_that_is_a_link_is_not),
		PATHS_TEST(one_that_is_another_user_s_is_not_trusted_but_by_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
