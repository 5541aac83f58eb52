# Replaces each line "@PROGRAM ARGUMENT@" by what tools/PROGRAM prints for the argument.
/^@gen-[a-z]+ [a-z-]+@$/ {
	command = "tools/" substr($0, 2, length($0) - 2)
	while ((command | getline line) > 0)
		print line
	if (close(command) != 0)
		exit 1
	next
}
{ print }
