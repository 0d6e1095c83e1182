/* SPDX-License-Identifier: MIT */
/*
 * Connections: socket pairs whose far end is a client outside of the runtime. The client sends a byte, waits for the
 * answer, acknowledges it, and sends the next. It is a network away: each of its messages is on the wire for a while, so
 * that both a receive and a send (which waits for the acknowledgement) block, as over TCP. Over a bare socket pair a send
 * returns within a microsecond, before a waiter that was woken can have taken the lock, and half of the convoy would not
 * be seen. The toy program is the server: receive, send, receive, ...
 */
#ifndef TOYGIL_ECHO_H
#define TOYGIL_ECHO_H

struct runtime;

/* Makes every receive and send of the run return at once. */
void echo__stop(struct runtime *runtime);

/* Ends the clients and closes what is open. */
void echo__close_all(struct runtime *runtime);

#endif
