/* SPDX-License-Identifier: MIT */
/* The natives open, receive, send and close, which let go of the lock around their system calls: see echo.h. */
#include "tools/toygil/echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/toygil/design.h"
#include "tools/toygil/natives.h"

#define MAX_CONNECTIONS 256
#define WIRE_NS         80000 /* longer than it takes to wake a thread up, also in a virtual machine */

struct connection {
	int server,
		client; /* sockets; the server's is closed at the end of the run only, so that no number is reused */
	bool open;
	pthread_t thread; /* of the client */
};

struct connections {
	uint32_t count;
	struct connection at[MAX_CONNECTIONS];
};

static void *be_client(void *argument)
{
	const struct timespec wire = {.tv_nsec = WIRE_NS};
	const struct connection *connection = argument;
	unsigned char byte, next = 0;

	prctl(PR_SET_TIMERSLACK, 1); /* else a sleep of microseconds takes 50 more */
	while (recv(connection->client, &byte, 1, 0) == 1) {
		nanosleep(&wire, NULL);
		if (send(connection->client, &next, 1, MSG_NOSIGNAL) != 1)
			break;
		next++;
	}
	return NULL;
}

/* A program that must end by its fuel must not wait for a client that waits for it. */
static void limit_waiting(int socket)
{
	struct timeval limit = {.tv_usec = 1000};

	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/* 0 or an errno. */
static int open_connection(struct connection *connection, bool limited)
{
	int sockets[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return errno;
	connection->server = sockets[0];
	connection->client = sockets[1];
	if (limited)
		limit_waiting(connection->server);
	err = pthread_create(&connection->thread, NULL, be_client, connection);
	if (err) {
		close(sockets[0]);
		close(sockets[1]);
		return err;
	}
	connection->open = true;
	return 0;
}

struct object *native__open(struct thread *thread, struct object **arguments)
{
	struct runtime *runtime = thread->runtime;
	struct connections *connections;
	int64_t number = -1;
	int err = ENOMEM;

	(void)arguments;
	pthread_mutex_lock(&runtime->error_mutex);
	if (!runtime->connections)
		runtime->connections = calloc(1, sizeof(*runtime->connections));
	connections = runtime->connections;
	if (connections)
		err = connections->count == MAX_CONNECTIONS
			      ? EMFILE
			      : open_connection(&connections->at[connections->count], runtime->settings->fuel);
	if (!err)
		number = connections->count++;
	pthread_mutex_unlock(&runtime->error_mutex);
	if (number >= 0)
		return thread__new_integer(thread, number);
	thread__fail(thread, "open: no connection: %s", strerror(err));
	return NULL;
}

/* The open connection with this number; NULL after thread__fail(). */
static struct connection *connection_of(struct thread *thread, const char *native, struct object *argument)
{
	struct runtime *runtime = thread->runtime;
	struct connection *connection = NULL;
	int64_t number;

	if (!native__integer(thread, native, argument, 0, MAX_CONNECTIONS - 1, &number))
		return NULL;
	pthread_mutex_lock(&runtime->error_mutex);
	if (runtime->connections && number < runtime->connections->count && runtime->connections->at[number].open)
		connection = &runtime->connections->at[number];
	pthread_mutex_unlock(&runtime->error_mutex);
	if (!connection)
		thread__fail(thread, "%s: connection %lld is not open", native, (long long)number);
	return connection;
}

/* Sends a byte and waits for the client's, without the lock. What the client sent, or -1: the connection is closed. */
static int exchange(struct thread *thread, const struct connection *connection, unsigned char byte)
{
	const struct design *design = thread->runtime->design;
	bool done;

	design->detach(thread);
	done = send(connection->server, &byte, 1, MSG_NOSIGNAL) == 1 && recv(connection->server, &byte, 1, 0) == 1;
	design->attach(thread);
	return done ? byte : -1;
}

struct object *native__receive(struct thread *thread, struct object **arguments)
{
	struct connection *connection = connection_of(thread, "receive", arguments[0]);

	return connection ? thread__new_integer(thread, exchange(thread, connection, 0)) : NULL;
}

struct object *native__send(struct thread *thread, struct object **arguments)
{
	struct connection *connection = connection_of(thread, "send", arguments[0]);
	int64_t value;

	if (!connection || !native__integer(thread, "send", arguments[1], 0, 255, &value))
		return NULL;
	return object__boolean(exchange(thread, connection, (unsigned char)value) >= 0);
}

static void end_client(struct connection *connection)
{
	shutdown(connection->server, SHUT_RDWR);
	pthread_join(connection->thread, NULL);
	close(connection->client);
}

struct object *native__close(struct thread *thread, struct object **arguments)
{
	struct connection *connection = connection_of(thread, "close", arguments[0]);
	struct runtime *runtime = thread->runtime;
	bool ends;

	if (!connection)
		return NULL;
	runtime->design->detach(thread);
	pthread_mutex_lock(&runtime->error_mutex);
	ends = connection->open;
	connection->open = false;
	pthread_mutex_unlock(&runtime->error_mutex);
	if (ends)
		end_client(connection);
	runtime->design->attach(thread);
	return &object_none;
}

void echo__stop(struct runtime *runtime)
{
	pthread_mutex_lock(&runtime->error_mutex);
	for (uint32_t i = 0; runtime->connections && i < runtime->connections->count; i++)
		shutdown(runtime->connections->at[i].server, SHUT_RDWR);
	pthread_mutex_unlock(&runtime->error_mutex);
}

void echo__close_all(struct runtime *runtime)
{
	for (uint32_t i = 0; runtime->connections && i < runtime->connections->count; i++) {
		struct connection *connection = &runtime->connections->at[i];

		if (connection->open)
			end_client(connection);
		close(connection->server);
	}
	free(runtime->connections);
	runtime->connections = NULL;
}
