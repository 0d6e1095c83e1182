/* SPDX-License-Identifier: MIT */
/* Single events as the kernel side tells them, into the trace that is harvested. */
#ifndef GILTRACE_CAPTURE_EVENT_LOG_H
#define GILTRACE_CAPTURE_EVENT_LOG_H

struct capture;

/* Before the kernel side is loaded (`events` is an enum trace_events), and after it: 0 or -errno. */
void event_log__size(struct capture *capture, int events);
int event_log__open(struct capture *capture);

/* Takes in what there is. Nothing where events are not wanted. */
void event_log__take(struct capture *capture);

#endif
