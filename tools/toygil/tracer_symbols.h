/* SPDX-License-Identifier: MIT */
/*
 * What a tracer reads of a running toygil, by name from .dynsym (link with -rdynamic): that it is one and of which
 * version, how its lock and its frames are laid out, and which design runs. docs/toygil.md describes them.
 */
#ifndef TOYGIL_TRACER_SYMBOLS_H
#define TOYGIL_TRACER_SYMBOLS_H

#include "bpf/frame_layout.h"
#include "bpf/lock_layout.h"
#include "user/target/toygil_layout.h"

#define TOYGIL_VERSION "0.1.0"
#define TOYGIL_EXPORT  __attribute__((visibility("default")))

TOYGIL_EXPORT extern const struct lock_layout toygil_lock_layout;
TOYGIL_EXPORT extern const struct frame_layout toygil_frame_layout;
TOYGIL_EXPORT extern const struct toygil_code_layout toygil_code_layout;
TOYGIL_EXPORT extern const char toygil_version[16]; /* the text itself, terminated */
TOYGIL_EXPORT extern char toygil_design[32];        /* "interval", ...; "" until a program runs */

#endif
