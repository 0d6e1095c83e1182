/* SPDX-License-Identifier: MIT */
/* The subcommands, a file each. Each returns the exit status. */
#ifndef GILTRACE_COMMANDS_H
#define GILTRACE_COMMANDS_H

#include "tools/giltrace/options.h"

int command_trace(const struct options *options); /* and record */
int command_report(const struct options *options);
int command_diff(const struct options *options);
int command_top(const struct options *options);
int command_doctor(const struct options *options);

/* One line on stderr: "giltrace: " and the message. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* The documented exit status for a -errno. */
int status_of(int err);

#endif
