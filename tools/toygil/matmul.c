/* SPDX-License-Identifier: MIT */
/* The native matmul: C code that lets go of the lock while it calculates, as numpy does. */
#include <stdlib.h>

#include "tools/toygil/design.h"
#include "tools/toygil/natives.h"

#define MAX_SIZE 1024

static void fill(double *matrix, int64_t size)
{
	for (int64_t i = 0; i < size * size; i++)
		matrix[i] = (double)(i % 7);
}

/* product = left x right, and the sum of its diagonal. Gives up when the run stops. */
static double multiply(const struct runtime *runtime, double *product, const double *left, const double *right,
		       int64_t size)
{
	double trace = 0;

	for (int64_t i = 0; i < size && !runtime__stopping(runtime); i++) {
		for (int64_t j = 0; j < size; j++)
			product[i * size + j] = 0;
		for (int64_t k = 0; k < size; k++)
			for (int64_t j = 0; j < size; j++)
				product[i * size + j] += left[i * size + k] * right[k * size + j];
		trace += product[i * size + i];
	}
	return trace;
}

struct object *native__matmul(struct thread *thread, struct object **arguments)
{
	const struct design *design = thread->runtime->design;
	double *matrices, trace;
	size_t cells;
	int64_t size;

	if (!native__integer(thread, "matmul", arguments[0], 1, thread->runtime->settings->fuel ? 8 : MAX_SIZE, &size))
		return NULL;
	cells = (size_t)(size * size);
	matrices = malloc(3 * cells * sizeof(*matrices));
	if (!matrices)
		return thread__no_memory(thread);
	design->detach(thread);
	fill(matrices, size);
	fill(matrices + cells, size);
	trace = multiply(thread->runtime, matrices + 2 * cells, matrices, matrices + cells, size);
	design->attach(thread);
	free(matrices);
	return thread__new_integer(thread, (int64_t)trace);
}
