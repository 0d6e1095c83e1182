/* SPDX-License-Identifier: MIT */
/*
 * Connections: socket pairs whose far end is a client outside of the runtime, a network away. The toy program is the
 * server, and each of its natives is one exchange with the client: receive asks for the next request and waits for it,
 * send hands over the answer and waits for the acknowledgement. So each blocks for a while, as over TCP. Over a bare
 * socket pair a call returns within a microsecond when the byte is there, before a waiter that was woken can have
 * taken the lock, and half of the convoy would not be seen.
 */
#ifndef TOYGIL_ECHO_H
#define TOYGIL_ECHO_H

struct runtime;

/* Makes every receive and send of the run return at once. */
void echo__stop(struct runtime *runtime);

/* Ends the clients and closes what is open. */
void echo__close_all(struct runtime *runtime);

#endif
