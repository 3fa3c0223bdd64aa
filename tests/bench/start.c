/* start UID GID ROUNDS CASE...: becomes that user, and times how long commands take from their start to their end. Each
 * round runs every case once, in an order of its own, so that whatever else the machine does meets all of them alike.
 *
 *     CASE = EVERY JOBS VARIABLES ARGUMENTS COMMAND [ARG...] ;
 *
 * EVERY: only in each so many-th round. JOBS: so many at once, 0 for a single one without the preparations for more.
 * So many VARIABLES and ARGUMENTS more. Prints a line for each case: the fewest page faults, then nanoseconds. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WARM 5 /* rounds that do not count */
#define CASES 256

struct sample {
	char **argv, **env;
	long every, jobs;
	size_t count;
	long faults;
	uint64_t *times;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "start: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		die("memory");
	return memory;
}

static long number(const char *text)
{
	char *end = NULL;
	long value;

	errno = 0;
	value = text ? strtol(text, &end, 10) : 0;
	if (errno || !end || *end || value < 0) {
		fprintf(stderr, "start: %s: not a number\n", text ? text : "nothing");
		exit(2);
	}
	return value;
}

/* The words, and so many more of the form. */
static char **lengthened(char **words, size_t given, size_t more, const char *form)
{
	const size_t size = 16;
	char **list = allocate(1, (given + more + 1) * sizeof *list + more * size);
	char *bytes = (char *)(list + given + more + 1);

	memcpy(list, words, given * sizeof *list);
	for (size_t i = 0; i < more; i++) {
		list[given + i] = bytes + i * size;
		snprintf(list[given + i], size, form, i);
	}
	return list;
}

static char **sample_read(struct sample *sample, char **words, long rounds)
{
	size_t length = 0, variables = 0;

	for (int i = 0; i < 4; i++)
		number(words[i]);
	sample->every = number(words[0]) ? number(words[0]) : 1;
	sample->jobs = number(words[1]);
	sample->faults = LONG_MAX;
	sample->times = allocate((size_t)rounds, sizeof *sample->times);
	while (words[4 + length] && strcmp(words[4 + length], ";") != 0)
		length++;
	while (environ[variables])
		variables++;
	sample->env = lengthened(environ, variables, (size_t)number(words[2]), "V%06zu=1");
	sample->argv = lengthened(words + 4, length, (size_t)number(words[3]), "x");
	return words + 4 + length + (words[4 + length] != NULL);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static void sample_wait(struct sample *sample)
{
	struct rusage usage;
	int status;

	if (wait4(-1, &status, 0, &usage) < 0)
		die("wait4");
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "start: %s: failed with status %x\n", sample->argv[0], (unsigned)status);
		exit(1);
	}
	if (usage.ru_minflt < sample->faults)
		sample->faults = usage.ru_minflt;
}

static uint64_t time_one(struct sample *sample)
{
	uint64_t start = now();
	pid_t pid;

	errno = posix_spawn(&pid, sample->argv[0], NULL, NULL, sample->argv, sample->env);
	if (errno)
		die(sample->argv[0]);
	sample_wait(sample);
	return now() - start;
}

/* They wait for the pipe to close, and then start at once. */
static uint64_t time_many(struct sample *sample)
{
	int gate[2];
	char byte;
	uint64_t start;

	if (pipe(gate) < 0)
		die("pipe");
	for (long i = 0; i < sample->jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid)
			continue;
		close(gate[1]);
		if (!read(gate[0], &byte, 1)) {
			close(gate[0]);
			execve(sample->argv[0], sample->argv, sample->env);
		}
		_exit(127);
	}
	close(gate[0]);
	nanosleep(&(struct timespec){.tv_nsec = 1000000 + 50000 * sample->jobs}, NULL);
	start = now();
	close(gate[1]);
	for (long i = 0; i < sample->jobs; i++)
		sample_wait(sample);
	return now() - start;
}

static void shuffle(size_t *order, size_t count)
{
	static uint32_t state = 1;

	for (size_t i = count; i > 1; i--) {
		size_t j, last = order[i - 1];

		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		j = state % i;
		order[i - 1] = order[j];
		order[j] = last;
	}
}

static void samples_take(struct sample *samples, size_t count, long rounds)
{
	size_t order[CASES];

	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (long round = -WARM; round < rounds; round++) {
		shuffle(order, count);
		for (size_t i = 0; i < count; i++) {
			struct sample *sample = samples + order[i];
			uint64_t time;

			if (round > 0 && round % sample->every)
				continue;
			time = sample->jobs ? time_many(sample) : time_one(sample);
			if (round >= 0)
				sample->times[sample->count++] = time;
		}
	}
}

int main(int argc, char **argv)
{
	struct sample samples[CASES] = {0};
	size_t count = 0;
	long rounds;
	char **words = argv + 4;

	if (argc < 5) {
		fprintf(stderr, "usage: start UID GID ROUNDS CASE...\n");
		return 2;
	}
	rounds = number(argv[3]);
	while (*words && count < CASES)
		words = sample_read(samples + count++, words, rounds);
	if (setgroups(0, NULL) < 0 || setgid((gid_t)number(argv[2])) < 0 || setuid((uid_t)number(argv[1])) < 0)
		die("to become that user");
	samples_take(samples, count, rounds);
	for (size_t i = 0; i < count; i++) {
		printf("%ld", samples[i].faults);
		for (size_t j = 0; j < samples[i].count; j++)
			printf(" %" PRIu64, samples[i].times[j]);
		putchar('\n');
	}
	return 0;
}
