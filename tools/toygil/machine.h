/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: a template, included at the end of each design's file and so compiled once for each. The design has
 * defined, as static inline functions:
 *
 *   retain, release          count a reference; release calls deallocate() at zero
 *   recycle, discard         take back a dead object's slot, and its storage
 *   enter, enter_two, leave  a critical section on one or two objects
 *   tick                     before every instruction; false: the thread must end
 *   asked                    whether the eval breaker is set
 *   answer                   deals with it; false: the thread must end
 *
 * The eval breaker is looked at where a function is entered and where a loop goes back, as in CPython.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/toygil/containers.h"
#include "tools/toygil/deallocate.h"
#include "tools/toygil/natives.h"

static void machine__retain(struct thread *thread, struct object *object)
{
	retain(thread, object);
}

static void machine__release(struct thread *thread, struct object *object)
{
	release(thread, object);
}

static void machine__enter(struct thread *thread, struct section *section, struct object *object)
{
	enter(thread, section, object);
}

static void machine__leave(struct thread *thread, struct section *section)
{
	leave(thread, section);
}

static struct object *joined_strings(struct thread *thread, struct object *left, struct object *right)
{
	const struct bytes *a = ((struct string *)left)->bytes, *b = ((struct string *)right)->bytes;
	struct object *joined;

	if (!a || !b)
		return NULL;
	joined = thread__new_string(thread, NULL, a->length + b->length);
	if (!joined)
		return NULL;
	memcpy(((struct string *)joined)->bytes->at, a->at, a->length);
	memcpy(((struct string *)joined)->bytes->at + a->length, b->at, b->length);
	return joined;
}

static __attribute__((noinline)) struct object *wrong_operands(struct thread *thread, uint32_t operation,
							       struct object *left, struct object *right)
{
	if (operation == OPERATION_ADD && left->kind == KIND_STRING && right->kind == KIND_STRING)
		return joined_strings(thread, left, right);
	thread__fail(thread, "%s: expects two integers%s, got %s and %s", instruction_forms[operation].name,
		     operation == OPERATION_ADD ? " or two strings" : "", object__kind_name(left),
		     object__kind_name(right));
	return NULL;
}

static __attribute__((noinline)) struct object *no_number(struct thread *thread, uint32_t operation, const char *why)
{
	thread__fail(thread, "%s: %s", instruction_forms[operation].name, why);
	return NULL;
}

/* Division rounds down and the remainder has the sign of the divisor, as in Python. */
static struct object *divided(struct thread *thread, uint32_t operation, int64_t left, int64_t right)
{
	int64_t quotient, remainder;

	if (!right)
		return no_number(thread, operation, "division by zero");
	if (right == -1 && left == INT64_MIN)
		return no_number(thread, operation, "integer overflow");
	quotient = left / right;
	remainder = left % right;
	if (remainder && (remainder < 0) != (right < 0)) {
		quotient--;
		remainder += right;
	}
	return thread__new_integer(thread, operation == OPERATION_DIVIDE ? quotient : remainder);
}

/* The result of an operation on two integers: a new reference, or NULL after thread__fail(). */
static inline struct object *calculated(struct thread *thread, uint32_t operation, struct object *left,
					struct object *right)
{
	int64_t a, b, result = 0;
	bool overflow = false;

	if (left->kind != KIND_INTEGER || right->kind != KIND_INTEGER)
		return wrong_operands(thread, operation, left, right);
	a = object__integer(left);
	b = object__integer(right);
	switch (operation) {
	case OPERATION_ADD:
		overflow = __builtin_add_overflow(a, b, &result);
		break;
	case OPERATION_SUBTRACT:
		overflow = __builtin_sub_overflow(a, b, &result);
		break;
	case OPERATION_MULTIPLY:
		overflow = __builtin_mul_overflow(a, b, &result);
		break;
	case OPERATION_LESS:
		return object__boolean(a < b);
	default:
		return divided(thread, operation, a, b);
	}
	if (overflow)
		return no_number(thread, operation, "integer overflow");
	return thread__new_integer(thread, result);
}

/* A global with a new reference: another thread may be setting it. */
static struct object *get_global(struct thread *thread, int32_t index)
{
	struct interpreter *interpreter = thread->interpreter;
	struct section section;
	struct object *value;

	enter(thread, &section, &interpreter->globals_lock);
	value = __atomic_load_n(&interpreter->globals[index], __ATOMIC_RELAXED);
	if (value)
		retain(thread, value);
	leave(thread, &section);
	if (!value)
		thread__fail(thread, "get: the global has not been set");
	return value;
}

static void set_global(struct thread *thread, int32_t index, struct object *value)
{
	struct interpreter *interpreter = thread->interpreter;
	struct section section;
	struct object *old;

	enter(thread, &section, &interpreter->globals_lock);
	old = __atomic_load_n(&interpreter->globals[index], __ATOMIC_RELAXED);
	__atomic_store_n(&interpreter->globals[index], value, __ATOMIC_RELAXED);
	leave(thread, &section);
	if (old)
		release(thread, old);
}

/* Whether a value can be called with so many arguments. */
static bool callable(struct thread *thread, const char *instruction, const struct object *callee, uint32_t count)
{
	const struct code *code;

	if (callee->kind != KIND_FUNCTION) {
		thread__fail(thread, "%s: expects a function, got %s", instruction, object__kind_name(callee));
		return false;
	}
	code = ((const struct function *)callee)->code;
	if (code->arguments == count)
		return true;
	thread__fail(thread, "%s: function '%s' takes %u arguments, got %u", instruction, code->name, code->arguments,
		     count);
	return false;
}

/* A tracer may look between any two instructions of the CPU: what it follows is stored after what is found there. */
static inline void set_instruction(struct frame *frame, const struct instruction *at)
{
	__atomic_store_n(&frame->at, at, __ATOMIC_RELAXED);
}

static inline void set_top(struct thread *thread, struct frame *frame)
{
	__atomic_store_n(&thread->top, frame, __ATOMIC_RELEASE);
}

/* Lays a frame over the arguments, which are on the stack. False after thread__fail(). */
static bool push_frame(struct thread *thread, struct frame *frame, const struct code *code, struct object **locals)
{
	if (frame == thread->frames + THREAD_MAX_CALLS) {
		thread__fail(thread, "call: more than %d nested calls", THREAD_MAX_CALLS);
		return false;
	}
	if (locals + code->locals + code->stack > thread->stack + THREAD_STACK_SLOTS) {
		thread__fail(thread, "call: more than %d values on the stacks of all nested calls", THREAD_STACK_SLOTS);
		return false;
	}
	frame->code = code;
	frame->locals = locals;
	frame->previous = thread->top;
	for (uint32_t i = code->arguments; i < code->locals; i++)
		locals[i] = NULL;
	set_instruction(frame, code->instructions);
	set_top(thread, frame);
	return true;
}

/* The error so far was the reason alone: now it gets its place, and stops the run. */
static void report_failure(struct thread *thread)
{
	char message[PROGRAM_ERROR_SIZE + 64];
	const struct frame *frame = thread->top;

	if (!thread->error[0] || !frame)
		return;
	snprintf(message, sizeof(message), "%s:%u: %s", frame->code->file,
		 frame->code->lines[frame->at - frame->code->instructions], thread->error);
	runtime__stop(thread->runtime, message);
}

static void release_down_to(struct thread *thread, struct object **top, struct object **bottom)
{
	while (top > bottom)
		if (*--top)
			release(thread, *top);
}

static struct object *new_list_of(struct thread *thread, struct object **values, uint32_t count)
{
	struct object *object = thread__new_list(thread, count);

	if (!object)
		return NULL;
	if (count)
		memcpy(((struct list *)object)->items->at, values, count * sizeof(*values));
	((struct list *)object)->length = count;
	return object;
}

static bool is_list(struct thread *thread, const char *instruction, const struct object *object)
{
	if (object->kind == KIND_LIST)
		return true;
	thread__fail(thread, "%s: expects a list, got %s", instruction, object__kind_name(object));
	return false;
}

/*
 * In the loop: `top` is the first free slot of the stack, `next` the next instruction. What program__verify() proved
 * (no underflow, no running past the end) is not checked again.
 */
#define FAIL_UNLESS(condition)                         \
	do {                                           \
		if (__builtin_expect(!(condition), 0)) \
			goto failed;                   \
	} while (0)
#define CHECK_BREAKER() FAIL_UNLESS(!asked(thread) || answer(thread))

/* Puts a value (NULL: a failure) in the place of the `count` topmost ones. */
#define REPLACE(count, value)                                \
	do {                                                 \
		struct object *replacement = (value);        \
                                                             \
		FAIL_UNLESS(replacement);                    \
		release_down_to(thread, top, top - (count)); \
		top -= (count);                              \
		*top++ = replacement;                        \
	} while (0)

static struct object *machine__run(struct thread *thread, const struct code *code, struct object **arguments)
{
	struct frame *frame = thread->frames;
	struct object **top = thread->stack, **locals = top + 1, *value;
	const struct instruction *next = code->instructions;
	bool condition;

	*top++ = &object_none; /* in the place of the function that is called */
	for (uint32_t i = 0; i < code->arguments; i++)
		*top++ = arguments[i];
	FAIL_UNLESS(push_frame(thread, frame, code, locals));
	top = locals + code->locals;
	CHECK_BREAKER();
	for (;;) {
		const struct instruction now = *next;

		set_instruction(frame, next++);
		FAIL_UNLESS(tick(thread));
		switch ((enum operation)now.operation) {
		case OPERATION_CONSTANT:
			value = thread->interpreter->constants[now.operand];
			retain(thread, value);
			*top++ = value;
			break;
		case OPERATION_LOAD:
			value = locals[now.operand];
			if (__builtin_expect(!value, 0)) {
				thread__fail(thread, "load: the local has not been stored");
				goto failed;
			}
			retain(thread, value);
			*top++ = value;
			break;
		case OPERATION_STORE:
			value = locals[now.operand];
			locals[now.operand] = *--top;
			if (value)
				release(thread, value);
			break;
		case OPERATION_GET:
			value = get_global(thread, now.operand);
			FAIL_UNLESS(value);
			*top++ = value;
			break;
		case OPERATION_SET:
			set_global(thread, now.operand, *--top);
			break;
		case OPERATION_POP:
			release(thread, *--top);
			break;
		case OPERATION_DUPLICATE:
			retain(thread, top[-1]);
			*top = top[-1];
			top++;
			break;
		case OPERATION_SWAP:
			value = top[-1];
			top[-1] = top[-2];
			top[-2] = value;
			break;
		case OPERATION_ADD:
			REPLACE(2, calculated(thread, OPERATION_ADD, top[-2], top[-1]));
			break;
		case OPERATION_SUBTRACT:
			REPLACE(2, calculated(thread, OPERATION_SUBTRACT, top[-2], top[-1]));
			break;
		case OPERATION_LESS:
			REPLACE(2, calculated(thread, OPERATION_LESS, top[-2], top[-1]));
			break;
		case OPERATION_MULTIPLY:
		case OPERATION_DIVIDE:
		case OPERATION_REMAINDER:
			REPLACE(2, calculated(thread, now.operation, top[-2], top[-1]));
			break;
		case OPERATION_EQUAL:
			REPLACE(2, object__boolean(value__equal(top[-2], top[-1])));
			break;
		case OPERATION_NOT:
			if (top[-1]->kind != KIND_BOOLEAN) {
				thread__fail(thread, "not: expects a boolean, got %s", object__kind_name(top[-1]));
				goto failed;
			}
			top[-1] = object__boolean(top[-1] == &object_false.header);
			break;
		case OPERATION_JUMP_IF:
		case OPERATION_JUMP_UNLESS:
			if (__builtin_expect(top[-1]->kind != KIND_BOOLEAN, 0)) {
				thread__fail(thread, "%s: expects a boolean, got %s",
					     instruction_forms[now.operation].name, object__kind_name(top[-1]));
				goto failed;
			}
			condition = *--top == &object_true.header;
			if (condition != (now.operation == OPERATION_JUMP_IF))
				break;
			/* fall through */
		case OPERATION_JUMP:
			next += now.operand;
			if (now.operand < 0)
				CHECK_BREAKER();
			break;
		case OPERATION_CALL:
			value = top[-now.operand - 1];
			FAIL_UNLESS(callable(thread, "call", value, (uint32_t)now.operand));
			FAIL_UNLESS(push_frame(thread, frame + 1, ((struct function *)value)->code, top - now.operand));
			frame++;
			next = frame->at;
			locals = frame->locals;
			top = locals + frame->code->locals;
			CHECK_BREAKER();
			break;
		case OPERATION_RETURN:
			value = *--top;
			release_down_to(thread, top, locals - 1);
			set_top(thread, frame->previous);
			if (frame == thread->frames)
				return value;
			top = locals - 1;
			*top++ = value;
			frame--;
			next = frame->at + 1;
			locals = frame->locals;
			break;
		case OPERATION_LIST:
			value = new_list_of(thread, top - now.operand, (uint32_t)now.operand);
			FAIL_UNLESS(value);
			top -= now.operand;
			*top++ = value;
			break;
		case OPERATION_DICT:
			value = thread__new_dict(thread);
			FAIL_UNLESS(value);
			*top++ = value;
			break;
		case OPERATION_APPEND:
			FAIL_UNLESS(is_list(thread, "append", top[-2]));
			FAIL_UNLESS(list_append(thread, (struct list *)top[-2], top[-1]));
			release(thread, top[-2]);
			top -= 2;
			break;
		case OPERATION_EXTEND:
			FAIL_UNLESS(is_list(thread, "extend", top[-2]) && is_list(thread, "extend", top[-1]));
			FAIL_UNLESS(list_extend(thread, (struct list *)top[-2], (struct list *)top[-1]));
			release_down_to(thread, top, top - 2);
			top -= 2;
			break;
		case OPERATION_TAKE_LAST:
			FAIL_UNLESS(is_list(thread, "take-last", top[-1]));
			REPLACE(1, list_take_last(thread, (struct list *)top[-1]));
			break;
		case OPERATION_ITEM:
			REPLACE(2, container_item(thread, top[-2], top[-1]));
			break;
		case OPERATION_SET_ITEM:
			FAIL_UNLESS(container_set_item(thread, top[-3], top[-2], top[-1]));
			top -= 3;
			release(thread, *top);
			break;
		case OPERATION_HAS:
			REPLACE(2, container_has(thread, top[-2], top[-1]));
			break;
		case OPERATION_LENGTH:
			REPLACE(1, container_length(thread, top[-1]));
			break;
		case OPERATION_SPAWN: {
			int64_t number;

			value = top[-now.operand - 1];
			FAIL_UNLESS(callable(thread, "spawn", value, (uint32_t)now.operand));
			number = thread__spawn(thread, ((struct function *)value)->code, top - now.operand,
					       (uint32_t)now.operand);
			FAIL_UNLESS(number >= 0);
			top -= now.operand;
			REPLACE(1, thread__new_integer(thread, number));
			break;
		}
		case OPERATION_JOIN:
			if (top[-1]->kind != KIND_INTEGER) {
				thread__fail(thread, "join: expects a thread's number, got %s",
					     object__kind_name(top[-1]));
				goto failed;
			}
			REPLACE(1, thread__join(thread, object__integer(top[-1])));
			break;
		case OPERATION_NATIVE: {
			const struct native *native = &natives[now.operand];

			REPLACE(native->arguments, native->call(thread, top - native->arguments));
			break;
		}
		case OPERATIONS:
			break;
		}
	}
failed:
	report_failure(thread);
	release_down_to(thread, top, thread->stack);
	set_top(thread, NULL);
	return NULL;
}

#undef FAIL_UNLESS
#undef CHECK_BREAKER
#undef REPLACE
