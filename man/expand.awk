# Replaces each line "@PROGRAM ARGUMENT@" by what tools/PROGRAM prints for the argument.
/^@gen-[a-z]+ [a-z-]+@$/ {
	command = "tools/" substr($0, 2, length($0) - 2)
	while ((command | getline line) > 0)
		print line
	if (close(command) != 0)
		exit 1
	next
}
# "@text FILE@" by a file of the source tree, in such a way that no line of it is taken for a macro.
/^@text [a-zA-Z0-9.\/-]+@$/ {
	file = FILENAME
	sub(/[^\/]*\/[^\/]*$/, "", file)
	file = file substr($0, 7, length($0) - 7)
	while ((status = (getline line < file)) > 0) {
		gsub(/\\/, "\\e", line)
		if (line ~ /^['.]/)
			line = "\\&" line
		print line
	}
	if (status < 0)
		exit 1
	close(file)
	next
}
{ print }
