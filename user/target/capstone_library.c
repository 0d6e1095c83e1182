/* SPDX-License-Identifier: MIT */
/* libcapstone when it is needed: see capstone_library.h. */
#include "user/target/capstone_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

#define TEXT(number)  #number
#define NAME(version) "libcapstone.so." TEXT(version)

static struct capstone_library library;
static bool is_there;

static void open_library(void)
{
	void *handle = dlopen(NAME(CS_API_MAJOR), RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return;
	*(void **)&library.open = dlsym(handle, "cs_open");
	*(void **)&library.option = dlsym(handle, "cs_option");
	*(void **)&library.malloc = dlsym(handle, "cs_malloc");
	*(void **)&library.free = dlsym(handle, "cs_free");
	*(void **)&library.close = dlsym(handle, "cs_close");
	*(void **)&library.disasm_iter = dlsym(handle, "cs_disasm_iter");
	*(void **)&library.regs_access = dlsym(handle, "cs_regs_access");
	is_there = library.open && library.option && library.malloc && library.free && library.close &&
		   library.disasm_iter && library.regs_access;
}

const struct capstone_library *capstone_library__get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, open_library);
	return is_there ? &library : NULL;
}
