/* SPDX-License-Identifier: MIT */
/*
 * Connections: socket pairs whose far end is a client outside of the runtime. The client sends a byte, waits for the
 * answer, and sends the next, as fast as it is answered. The toy program is the server: receive, send, receive, ...
 */
#ifndef TOYGIL_ECHO_H
#define TOYGIL_ECHO_H

struct runtime;

/* Makes every receive and send of the run return at once. */
void echo__stop(struct runtime *runtime);

/* Ends the clients and closes what is open. */
void echo__close_all(struct runtime *runtime);

#endif
