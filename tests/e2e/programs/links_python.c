/* SPDX-License-Identifier: MIT */
/*
 * Runs its arguments as python does. Linked with a libpython; or, with DLOPEN, it opens those in LIBPYTHONS, a list
 * with colons between, and runs the last.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef DLOPEN
int main(int argc, char **argv)
{
	int (*run)(int, char **) = NULL;
	char *list = getenv("LIBPYTHONS");

	for (char *path = list ? strtok(list, ":") : NULL; path; path = strtok(NULL, ":")) {
		void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

		if (!library) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		run = (int (*)(int, char **))dlsym(library, "Py_BytesMain");
	}
	return run ? run(argc, argv) : 1;
}
#else
int Py_BytesMain(int argc, char **argv);

int main(int argc, char **argv)
{
	return Py_BytesMain(argc, argv);
}
#endif
