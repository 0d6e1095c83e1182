/* SPDX-License-Identifier: MIT */
/* The terminal of giltrace top: see top_terminal.h. */
#include "tools/giltrace/top_terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "tools/giltrace/commands.h"

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static struct {
	SCREEN *screen;
	struct termios before; /* how the terminal was */
	char leave[256];       /* what a terminal of this kind takes to be as it was */
	int events, resizes, signals;
	sigset_t caught;
} terminal = {.events = -1, .resizes = -1, .signals = -1};

bool top_terminal__is_there(void)
{
	const char *name = getenv("TERM");
	int err;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		complain("top needs a terminal; giltrace -p PID writes a report");
		return false;
	}
	if (!name || setupterm(name, STDOUT_FILENO, &err) != OK) {
		complain("top does not know the terminal \"%s\"; set TERM to what it is", name ? name : "");
		return false;
	}
	return true;
}

/* Names are shown in UTF-8, as in every report; sudo may have taken the locale that says so. */
static void choose_characters(void)
{
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

/* What could go wrong in the program must not leave the terminal unusable. Only what is allowed in such a moment. */
static void give_back(int number)
{
	ssize_t written = write(STDOUT_FILENO, terminal.leave, strlen(terminal.leave));

	(void)written;
	tcsetattr(STDOUT_FILENO, TCSANOW, &terminal.before);
	raise(number); /* the handler is gone: ends the program as it would have ended */
}

static void add_capability(const char *name)
{
	const char *text = tigetstr((char *)name);
	size_t used = strlen(terminal.leave);

	if (text && text != (const char *)-1 && used + strlen(text) < sizeof(terminal.leave))
		strcpy(terminal.leave + used, text);
}

static void prepare_for_crashes(void)
{
	struct sigaction action = {.sa_handler = give_back, .sa_flags = SA_RESETHAND | SA_NODEFER}, before;

	*terminal.leave = '\0';
	add_capability("sgr0");
	add_capability("cnorm");
	add_capability("rmkx");
	add_capability("rmcup");
	for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		if (!sigaction(crashes[i], NULL, &before) && before.sa_handler == SIG_DFL)
			sigaction(crashes[i], &action, NULL);
}

static void choose_colours(void)
{
	if (!has_colors() || start_color() != OK)
		return;
	use_default_colors();
	init_pair(LOOK_GOOD, COLOR_GREEN, -1);
	init_pair(LOOK_FAIR, COLOR_YELLOW, -1);
	init_pair(LOOK_BAD, COLOR_RED, -1);
}

static int watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(terminal.events, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Signals come through descriptors, so that none can come in the middle of drawing. */
static int watch_all(void)
{
	int err;

	sigemptyset(&terminal.caught);
	sigaddset(&terminal.caught, SIGWINCH);
	sigaddset(&terminal.caught, SIGHUP);
	sigaddset(&terminal.caught, SIGQUIT);
	sigprocmask(SIG_BLOCK, &terminal.caught, NULL);
	terminal.events = epoll_create1(EPOLL_CLOEXEC);
	terminal.resizes = signalfd(-1, &terminal.caught, SFD_CLOEXEC | SFD_NONBLOCK);
	if (terminal.events < 0 || terminal.resizes < 0)
		return -errno;
	err = watch(STDIN_FILENO);
	err = err ? err : watch(terminal.resizes);
	return err ? err : watch(terminal.signals);
}

int top_terminal__open(int signals, int *events)
{
	int err;

	terminal.signals = signals;
	if (tcgetattr(STDOUT_FILENO, &terminal.before))
		return -errno;
	choose_characters();
	err = watch_all();
	if (err) {
		top_terminal__close();
		return err;
	}
	terminal.screen = newterm(NULL, stdout, stdin);
	if (!terminal.screen) {
		top_terminal__close();
		return -ENOTTY;
	}
	atexit(top_terminal__close);
	prepare_for_crashes();
	choose_colours();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	*events = terminal.events;
	return 0;
}

static bool is_readable(int fd, short *what)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	bool ready = poll(&poll_fd, 1, 0) > 0;

	*what = poll_fd.revents;
	return ready;
}

static int take_signal(void)
{
	struct signalfd_siginfo info;
	struct winsize size;

	if (read(terminal.resizes, &info, sizeof(info)) != sizeof(info))
		return TOP_NOTHING;
	if (info.ssi_signo != SIGWINCH)
		return TOP_LEAVE;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	return TOP_RESIZED;
}

int top_terminal__take(void)
{
	short what;
	bool input;
	int key;

	if (is_readable(terminal.signals, &what))
		return TOP_LEAVE; /* it is left there for session__stop() */
	key = take_signal();
	if (key != TOP_NOTHING)
		return key;
	input = is_readable(STDIN_FILENO, &what);
	key = getch();
	if (key == KEY_RESIZE)
		return TOP_RESIZED;
	if (key != ERR)
		return key;
	/* Nothing can be read where something is to be read: the terminal is gone. */
	return input && (what & (POLLHUP | POLLERR | POLLNVAL)) ? TOP_LEAVE : TOP_NOTHING;
}

void top_terminal__look(enum top_look look)
{
	static const attr_t attributes[] = {
		[LOOK_PLAIN] = A_NORMAL,  [LOOK_STRONG] = A_BOLD,
		[LOOK_DIM] = A_DIM,       [LOOK_GOOD] = A_NORMAL,
		[LOOK_FAIR] = A_NORMAL,   [LOOK_BAD] = A_BOLD,
		[LOOK_TITLE] = A_REVERSE, [LOOK_SORTED] = A_REVERSE | A_BOLD | A_UNDERLINE,
	};
	bool coloured = has_colors() && look >= LOOK_GOOD && look <= LOOK_BAD;

	attrset(attributes[look] | (coloured ? COLOR_PAIR(look) : 0));
}

void top_terminal__close(void)
{
	if (terminal.screen) {
		endwin();
		delscreen(terminal.screen);
		terminal.screen = NULL;
		for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
			signal(crashes[i], SIG_DFL);
	}
	if (terminal.events >= 0)
		close(terminal.events);
	if (terminal.resizes >= 0)
		close(terminal.resizes);
	terminal.events = terminal.resizes = -1;
}
