/* SPDX-License-Identifier: MIT */
/* The terminal of giltrace top: taken over with ncurses, and given back on every way out. */
#ifndef GILTRACE_TOP_TERMINAL_H
#define GILTRACE_TOP_TERMINAL_H

#include <stdbool.h>

/* How a part of the screen looks. */
enum top_look { LOOK_PLAIN, LOOK_STRONG, LOOK_DIM, LOOK_GOOD, LOOK_FAIR, LOOK_BAD, LOOK_TITLE, LOOK_SORTED };

/* Whether stdin and stdout are a terminal, and of a kind that is known; tells why not. */
bool top_terminal__is_there(void);

/*
 * Takes the terminal over. From here on `*events` (the caller's, closed by top_terminal__close) is readable when there
 * is something for top_terminal__take(), or on `signals`, a signalfd of signals that end the program. 0 or -errno.
 */
int top_terminal__open(int signals, int *events);

/* What was pressed: a character or a KEY_ of ncurses; TOP_NOTHING, TOP_RESIZED, TOP_LEAVE (a signal, or the terminal is
 * gone). Never waits. */
enum { TOP_NOTHING = -1, TOP_RESIZED = -2, TOP_LEAVE = -3 };

int top_terminal__take(void);

/* From here on text looks like this. */
void top_terminal__look(enum top_look look);

/* Gives the terminal back as it was. Idempotent. */
void top_terminal__close(void);

#endif
