/*
 * Owns: the memory of the last reason of each thread.
 * Invariant: see the header.
 * Thread: any.
 * Does not know: see the header.
 */
#include "store/reason.h"

#include <stdarg.h>
#include <stdio.h>

const char *reason_format(const char *format, ...)
{
	static _Thread_local char text[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}
