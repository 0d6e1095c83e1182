/* SPDX-License-Identifier: MIT */
/* Conditions on a report: grammar, precedence, units, names, what is not there, and that every field can be asked. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "user/report/condition_parts.h"

/* Only what the tests ask for; in the schema's own units. */
static const char report[] =
	"{\"target\": {\"design\": \"interval\", \"version\": null},"
	" \"window\": {\"start_ns\": 5, \"duration_ns\": 2000000000},"
	" \"probes\": {\"level\": \"all\", \"hits\": 1000, \"overhead_pct\": 1.5, \"longest_ns\": null},"
	" \"lost\": {\"events\": 0, \"stacks\": 3},"
	" \"processes\": [{\"exe\": \"/usr/bin/python3.11\", \"from_start\": true, \"duration_ns\": 1000000000},"
	"                 {\"exe\": \"/opt/python3.12\", \"from_start\": false, \"duration_ns\": 500000000}],"
	" \"gils\": [{\"gil\": \"0xa0\", \"acquisitions\": 500, \"contended\": 50, \"utilisation\": 0.8,"
	"            \"held_ns\": 1600000000, \"waited_ns\": 400000000,"
	"            \"wait\": {\"count\": 50, \"max_ns\": 30000000, \"p99_ns\": 20000000},"
	"            \"hold\": {\"count\": 0, \"max_ns\": null, \"p99_ns\": null}, \"handoff\": null},"
	"           {\"gil\": \"0xb0\", \"acquisitions\": 7, \"contended\": 1, \"utilisation\": 0.1,"
	"            \"wait\": {\"count\": 1, \"max_ns\": 90000000, \"p99_ns\": 90000000}}],"
	" \"threads\": [{\"tid\": 1, \"name\": \"main\", \"waited_ns\": 100000000, \"held_ns\": 900000000,"
	"               \"wait\": {\"count\": 9, \"max_ns\": 20000000}, \"ended\": false},"
	"              {\"tid\": 2, \"name\": \"io-1\", \"waited_ns\": 300000000, \"held_ns\": 100000000,"
	"               \"wait\": {\"count\": 41, \"max_ns\": 30000000}, \"ended\": true},"
	"              {\"tid\": 3, \"name\": null, \"waited_ns\": 0, \"held_ns\": 0,"
	"               \"wait\": {\"count\": 0, \"max_ns\": null}, \"ended\": true}],"
	" \"blame\": [{\"holder\": null, \"stack\": []},"
	"            {\"holder\": 2, \"stack\": [{\"name\": \"leaf\", \"line\": 3}, {\"name\": \"root\", \"line\": "
	"null}]}],"
	" \"hogs\": [{\"waiters\": 2, \"syscall_name\": null}], \"hogs_seen\": 1}";

struct outcome {
	int err; /* of parsing, or else of asking */
	bool parsed;
	struct condition_error error;
	struct condition_answer answer;
	char why[CONDITION_WHY_SIZE];
};

static struct outcome ask_of(const char *text, const char *document)
{
	json_t *root = json_loads(document, 0, NULL);
	struct condition *condition;
	struct outcome outcome = {0};

	assert_non_null(root);
	outcome.err = condition__parse(text, SCOPE_OF_ALL, &condition, &outcome.error);
	outcome.parsed = !outcome.err;
	if (outcome.parsed)
		outcome.err = condition__ask(condition, root, &outcome.answer, outcome.why);
	condition__free(condition);
	json_decref(root);
	return outcome;
}

static bool holds(const char *text)
{
	struct outcome outcome = ask_of(text, report);

	if (outcome.err)
		fail_msg("%s: %zu: %s%s", text, outcome.error.at, outcome.error.why, outcome.why);
	return outcome.answer.holds;
}

#define HOLDS(text)       assert_true(holds(text))
#define DOES_NOT(text)    assert_false(holds(text))
#define REFUSED(text, at) assert_refused(text, at, NULL)

/* Refused before there is a report, at this byte, with these words. */
static void assert_refused(const char *text, size_t at, const char *words)
{
	struct outcome outcome = ask_of(text, report);

	if (outcome.parsed)
		fail_msg("\"%s\" was not refused", text);
	assert_int_equal(outcome.err, -EINVAL);
	if (outcome.error.at != at || (words && !strstr(outcome.error.why, words)))
		fail_msg("\"%s\": at %zu, not %zu: %s", text, outcome.error.at, at, outcome.error.why);
}

/* Good, but this report does not tell. */
static void assert_unknown(const char *text, const char *words)
{
	struct outcome outcome = ask_of(text, report);

	if (!outcome.parsed || !outcome.err || outcome.answer.holds || !strstr(outcome.why, words))
		fail_msg("\"%s\": %s%s", text, outcome.error.why, outcome.why);
}

static void assert_values(const char *text, const char *values)
{
	struct outcome outcome = ask_of(text, report);

	assert_int_equal(outcome.err, 0);
	assert_string_equal(outcome.answer.values, values);
}

static void test_comparisons(void **state)
{
	(void)state;
	HOLDS("wait.max > 29ms");
	DOES_NOT("wait.max > 30ms");
	HOLDS("wait.max >= 30ms");
	HOLDS("wait.max == 30ms");
	DOES_NOT("wait.max != 30ms");
	HOLDS("wait.max <= 0.03s");
	DOES_NOT("wait.max < 30000000ns");
	HOLDS("30ms == wait.max");
	HOLDS("target.design == \"interval\"");
	HOLDS("target.design != 'ticks'");
	DOES_NOT("target.design == 'interval '");
	HOLDS("processes[0].from_start");
	HOLDS("processes[1].from_start == false");
	HOLDS("true");
	DOES_NOT("false");
}

/* A wrong precedence would turn each of these round. */
static void test_precedence(void **state)
{
	(void)state;
	HOLDS("1 + 2 * 3 == 7");
	HOLDS("(1 + 2) * 3 == 9");
	HOLDS("10 - 3 - 2 == 5");
	HOLDS("100 / 10 / 5 == 2");
	HOLDS("-2 + 3 == 1");
	HOLDS("- -2 * 3 == 6");
	HOLDS("2 - -3 == 5");
	HOLDS("true or false and false");
	DOES_NOT("(true or false) and false");
	HOLDS("not false or true");
	DOES_NOT("not (false or true)");
	HOLDS("not false and true");
	HOLDS("not not true");
	HOLDS("not 1 > 2");
	HOLDS("1 < 2 and 3 > 2 or false");
	HOLDS("((((1))))==(1)");
}

static void test_units(void **state)
{
	(void)state;
	HOLDS("1s == 1000ms and 1 ms == 1000 us and 1us == 1000ns and 1 \xc2\xb5s == 1us");
	HOLDS("50% / 1 == 0.5");
	HOLDS("1.5e3us == 1.5ms");
	HOLDS("waited / duration == 20%");
	HOLDS("waited / duration == 0.2");
	HOLDS("utilisation == 80%");
	HOLDS("contended / acquisitions == 10%");
	HOLDS("probes.overhead == 1.5%");
	HOLDS("probes.overhead_pct == 1.5%");
	HOLDS("acquisitions / duration == 250 / 1s");
	HOLDS("duration * 25% == 500ms");
	HOLDS("waited * duration / duration == waited");
	HOLDS("wait.max > 0 and contended > 0 and probes.overhead > 0 and utilisation > 0");
	HOLDS("wait.max + 0 == 30ms");
	assert_refused("wait.max > 10", 9, "a time");
	assert_refused("contended > 10ms", 10, "cannot be compared");
	REFUSED("contended > 5%", 10);
	REFUSED("probes.overhead > 2", 16);
	REFUSED("waited * waited > 1s", 16);
	REFUSED("wait.max + 1 > 1s", 9);
	REFUSED("target.design > \"a\"", 14);
	REFUSED("target.design == 1", 14);
	REFUSED("target.design + 'a' == 'b'", 14);
	REFUSED("-target.design == 'b'", 1);
	REFUSED("true + 1 > 0", 5);
	REFUSED("held*held*held*held*held > 0", 19);
}

static void test_fields(void **state)
{
	(void)state;
	HOLDS("gils[0].wait.max_ns == wait.max");
	HOLDS("gils[1].wait.max == 90ms");
	HOLDS("gil[1].contended == 1");
	HOLDS("window.duration == duration");
	HOLDS("thread[\"io-1\"].waited / duration > 5%");
	HOLDS("threads['io-1'].waited_ns == 300ms");
	HOLDS("process['python3.11'].duration == 1s and process['/usr/bin/python3.11'].from_start");
	HOLDS("gils['0xb0'].contended == 1");
	HOLDS("threads.count == 3 and hogs.count == hogs_seen and gils.count == 2");
	HOLDS(" thread [ 'io-1' ] . waited > 0 ");
	assert_refused("hold.p9 > 1ms", 5, "p99_ns");
	assert_refused("waits > 1ms", 0, "main lock");
	assert_refused("hold > 1ms", 0, "no single value");
	assert_refused("gils > 1", 0, "is a list");
	assert_refused("gils.contended > 1", 5, "[any]");
	REFUSED("gils[0] > 1", 0);
	REFUSED("wait[0] > 1", 4);
	REFUSED("gils[0 > 1", 7);
	REFUSED("gils[1.5].contended > 1", 5);
	REFUSED("gils[-1].contended > 1", 5);
	REFUSED("gils[1ms].contended > 1", 5);
	REFUSED("gils[1e10].contended > 1", 5);
	REFUSED("wait. > 1ms", 6);
	assert_refused("blame.count.count > 1", 12, "no fields");
	assert_refused("wait.max.ns > 1", 9, "no fields");
	REFUSED("this_name_is_longer_than_any_key_that_there_is > 1", 0);
}

static void test_any(void **state)
{
	(void)state;
	HOLDS("gils[any].wait.max > 50ms");
	DOES_NOT("gils[any].wait.max > 100ms");
	HOLDS("not gils[any].wait.max > 100ms");
	HOLDS("threads[any].ended");
	HOLDS("threads[any].waited > threads[any].held"); /* of one and the same */
	DOES_NOT("threads[any].waited * 4 < threads[any].held and threads[any].tid > 3");
	HOLDS("threads[any].waited > thread['main'].held / 9 and not threads[any].waited > 1s");
	HOLDS("blame[any].stack[any].name == 'root'");
	DOES_NOT("blame[any].stack[any].name == 'twig'");
	HOLDS("blame[any].stack['leaf'].line == 3");
	HOLDS("blame[1].stack[0].line == 3");
	HOLDS("blame[any].holder == 2"); /* the other one is unknown */
	assert_values("threads[any].waited > 200ms", "threads[1].waited_ns (io-1) = 300 ms");
	assert_unknown("thread['nobody'].waited > 0", "\"main\", \"io-1\"");
	assert_unknown("process['python3'].from_start", "python3.12");
}

static void test_values(void **state)
{
	(void)state;
	assert_values("wait.max > 1ms", "wait.max = 30.0 ms");
	assert_values("1ms < wait.max", "wait.max = 30.0 ms");
	assert_values("waited / duration > 5%", "waited = 400 ms, duration = 2.00 s, waited / duration = 20 %");
	assert_values("waited / duration > 0.05", "waited = 400 ms, duration = 2.00 s, waited / duration = 0.2");
	assert_values("acquisitions / duration > 1 / 1s",
		      "acquisitions = 500, duration = 2.00 s, acquisitions / duration = 250 / s");
	assert_values("target.design != 'x' and processes[0].from_start",
		      "target.design = \"interval\", processes[0].from_start = true");
	assert_values("not wait.max > 1s", "wait.max = 30.0 ms");
	assert_values("wait.max > 1ms and wait.max < 1s", "wait.max = 30.0 ms");
	assert_values("-wait.max < 0", "wait.max = 30.0 ms, -wait.max = -30.0 ms");
	assert_values("utilisation > 5%", "utilisation = 80 %");
	assert_values("true", "");
}

static void test_what_is_not_there(void **state)
{
	static const char *const idle = "{\"gils\": [], \"threads\": [], \"window\": {\"duration_ns\": 1}}";

	(void)state;
	/* Unknown is neither yes nor no. */
	assert_unknown("target.version == '3.11'", "\"version\" is unknown");
	assert_unknown("handoff.max > 1ms", "\"handoff\" is unknown");
	assert_unknown("not handoff.max > 1ms", "unknown");
	assert_unknown("probes.longest > 1ms", "unknown");
	assert_unknown("probes.longest > 1ms and true", "unknown");
	assert_unknown("false or probes.longest > 1ms", "unknown");
	DOES_NOT("probes.longest > 1ms and false");
	DOES_NOT("false and probes.longest > 1ms");
	HOLDS("probes.longest > 1ms or true");
	HOLDS("true or probes.longest > 1ms");
	assert_unknown("gils[2].contended > 1", "the list has 2");
	assert_unknown("duration / lost.events > 1s", "division by zero in duration / lost.events");
	assert_unknown("1 / 0 > 1", "division by zero");
	assert_unknown("1e300 * 1e300 > 1", "too large");
	assert_unknown("threads[any].waited / threads[any].held > 4", "division by zero");
	HOLDS("threads[any].waited / threads[any].held > 2");
	/* Of nothing there is nothing to say, either way. */
	DOES_NOT("hold.p99 > 1ms");
	DOES_NOT("hold.p99 <= 1ms");
	DOES_NOT("not hold.p99 > 1ms");
	DOES_NOT("hogs[any].syscall_name == 'futex'");
	DOES_NOT("threads[2].wait.max > 0");
	HOLDS("not threads[any].wait.max > 1s");
	assert_false(ask_of("wait.max > 1ms", idle).answer.holds);
	assert_int_equal(ask_of("wait.max > 1ms", idle).err, 0);
	assert_int_equal(ask_of("not threads[any].waited > 0", idle).err, 0);
	assert_true(ask_of("not threads[any].waited > 0", idle).answer.holds);
	assert_int_equal(ask_of("gils[0].waited > 0", idle).err, -EINVAL);
}

static void test_wrong_grammar(void **state)
{
	(void)state;
	REFUSED("", 0);
	REFUSED("   ", 3);
	assert_refused("hold.p99", 8, "a time");
	REFUSED("1 +", 3);
	REFUSED("1 > ", 4);
	REFUSED("(1 > 0", 6);
	REFUSED("1 > 0)", 5);
	REFUSED("1 > 0 true", 6);
	REFUSED("1 > 0 > 0", 6);
	REFUSED("(1 > 0) == true", 8);
	REFUSED("true == (1 > 0)", 5);
	REFUSED("not 5", 5);
	REFUSED("1 > 0 and 5", 11);
	REFUSED("5 or 1 > 0", 2);
	REFUSED("and", 0);
	REFUSED("any > 1", 0);
	assert_refused("contended = 1", 10, "==");
	assert_refused("contended > 1 && true", 14, "and");
	assert_refused("!true", 0, "not");
	assert_refused("wait.max > 10m", 13, "no such unit");
	assert_refused("wait.max > 10min", 13, "no such unit");
	assert_refused("thread[\"io-1].waited > 0", 7, "quote");
	REFUSED("contended > 1;", 13);
	REFUSED("contended > \xff", 12);
	REFUSED("1e999 > 1", 0);
	REFUSED(".5 > 1", 0);
	REFUSED("0x10 > 1", 1);
}

static void test_bounds(void **state)
{
	char text[CONDITION_MAX_LENGTH + 16] = "";

	(void)state;
	memset(text, ' ', CONDITION_MAX_LENGTH);
	memcpy(text, "true", 4);
	HOLDS(text);
	text[CONDITION_MAX_LENGTH] = ' ';
	assert_refused(text, CONDITION_MAX_LENGTH, "at most");
	memset(text, 0, sizeof(text));
	memset(text, '(', 40);
	assert_refused(text, 16, "too deeply");
	memset(text, '-', 40);
	assert_refused(text, 31, "too deeply");
	*text = '\0';
	for (int i = 0; i < 200; i++)
		strcat(text, "not ");
	assert_refused(text, 128, "too deeply");
	*text = '\0';
	for (int i = 0; i < 130; i++)
		strcat(text, i ? "+1" : "1");
	assert_refused(text, 0, "too many parts");
	strcpy(text, "1");
	for (int i = 0; i < 60; i++)
		strcat(text, "+1");
	strcat(text, " == 61");
	HOLDS(text);
}

/* A path to each value in the document, as jq would write it. */
static void each_field(const json_t *value, const char *path, void (*check)(const char *path, const json_t *value))
{
	char deeper[512];
	const char *key;
	json_t *part;
	size_t i;

	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, part)
		{
			snprintf(deeper, sizeof(deeper), "%s%s%s", path, *path ? "." : "", key);
			each_field(part, deeper, check);
		}
	} else if (json_is_array(value)) {
		assert_int_not_equal(json_array_size(value), 0); /* else nothing of it could be asked */
		json_array_foreach((json_t *)value, i, part)
		{
			snprintf(deeper, sizeof(deeper), "%s[%zu]", path, i);
			each_field(part, deeper, check);
		}
	} else {
		check(path, value);
	}
}

static void check_field(const char *path, const json_t *value)
{
	json_t *document = condition__specimen(SCOPE_OF_ALL);
	struct condition_error error;
	struct condition_answer answer;
	struct condition *condition;
	char text[1024], why[CONDITION_WHY_SIZE];

	if (json_is_null(value))
		fail_msg("condition__specimen() does not know %s", path);
	snprintf(text, sizeof(text), "%s == %s", path, path);
	if (condition__parse(text, SCOPE_OF_ALL, &condition, &error))
		fail_msg("%s: %s", text, error.why);
	if (condition__ask(condition, document, &answer, why) || !answer.holds)
		fail_msg("%s: %s", text, why);
	condition__free(condition);
	json_decref(document);
}

/* Also of those that are added to the schema one day. */
static void test_every_field_can_be_asked(void **state)
{
	json_t *document = condition__specimen(SCOPE_OF_ALL);

	(void)state;
	each_field(document, "", check_field);
	json_decref(document);
}

static int parse(const char *text, enum trace_level level, enum trace_stacks stacks, struct condition_error *error)
{
	struct condition *condition;
	int err = condition__parse(text, (struct condition_scope){level, stacks}, &condition, error);

	assert_int_equal(!condition, err != 0);
	condition__free(condition);
	return err;
}

/* What would be an empty list, or null for certain, is told at once: it would never hold. */
static void test_scope(void **state)
{
	struct condition_error error;

	(void)state;
	assert_int_equal(parse("hold.p99 > 1ms", TRACE_ALL, TRACE_STACKS_PYTHON, &error), 0);
	assert_int_equal(parse("wait.p99 > 1ms", TRACE_WAITS, TRACE_STACKS_PYTHON, &error), 0);
	assert_int_equal(parse("1ms < hold.p99", TRACE_WAITS, TRACE_STACKS_PYTHON, &error), -EINVAL);
	assert_int_equal(error.at, 6);
	assert_non_null(strstr(error.why, "\"hold\" is not known with --probes=waits"));
	assert_int_equal(parse("threads[any].held > 1ms", TRACE_WAITS, TRACE_STACKS_PYTHON, &error), -EINVAL);
	assert_int_equal(parse("hogs.count > 1", TRACE_WAITS, TRACE_STACKS_PYTHON, &error), -EINVAL);
	assert_int_equal(parse("hogs_seen > 1", TRACE_WAITS, TRACE_STACKS_PYTHON, &error), -EINVAL);
	assert_int_equal(parse("release_points[any].held > 1s", TRACE_WAITS, TRACE_STACKS_PYTHON, &error), -EINVAL);
	assert_int_equal(parse("probes.windows > 1", TRACE_ALL, TRACE_STACKS_PYTHON, &error), -EINVAL);
	assert_int_equal(parse("blame[any].waits > 1", TRACE_WAITS, TRACE_STACKS_NONE, &error), 0);
	assert_int_equal(parse("blame[any].stack[any].line > 1", TRACE_ALL, TRACE_STACKS_NONE, &error), -EINVAL);
	assert_non_null(strstr(error.why, "--stacks=none"));
	assert_int_equal(parse("stacks.torn > 1", TRACE_ALL, TRACE_STACKS_NONE, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_what_is_not_there),
		cmocka_unit_test(test_wrong_grammar),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_every_field_can_be_asked),
		cmocka_unit_test(test_scope),
	};

	return cmocka_run_group_tests_name("condition", tests, NULL, NULL);
}
