/*
 * Owns: a write transaction in a users.mdb, as a stuck disk would leave one: `hold_users FILE` says
 *   "held" and lets go when its input ends.
 * Invariant: changes nothing.
 * Thread: one.
 * Does not know: whether a daemon waits for it.
 */
#include <lmdb.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	MDB_env *env;
	MDB_txn *txn;
	if (argc != 2 || mdb_env_create(&env) != 0 || mdb_env_open(env, argv[1], MDB_NOSUBDIR, 0600) != 0 ||
	    mdb_txn_begin(env, NULL, 0, &txn) != 0)
		return 1;
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return 0;
}
