/*
 * Single events of the timeline: the one that is clicked, the next hold, and what is in sight as a table.
 */
(function (page) {
	"use strict";

	const {make, time, data, timeline: view} = page, {GUTTER, AXIS, LOCK, ROW, ROWS} = view;
	const LISTED = 200, LISTED_FROM = 20000;
	const SHORTEST = 200; /* ns: what the whole width shows at least */

	/* ---- single events ---- */

	function eventOf(list, i) {
		return {isHold: (list.what[i] & 1) === 1, forced: (list.what[i] & 2) !== 0, lane: list.lane[i],
			start: list.start[i], end: list.end[i], stack: list.stack[i], number: list.number[i], holder: list.holder[i] - 1,
			waiterStack: list.waiterStack[i]};
	}

	/* The best of the events at hand: `better(list, i, best)` says whether it is. */
	function best(better) {
		const lanes = new Set(view.lanes);
		let found = null;

		view.ready.forEach(({events: list}) => {
			for (let i = 0; i < list.count; i++)
				if (better(list, i, found) && lanes.has(list.lane[i]))
					found = eventOf(list, i);
		});
		return found;
	}

	function name(lane) {
		return lane < 0 ? "an unknown thread" : page.threadName(data.threads[lane], data.threads[lane].tid);
	}

	function stackText(title, stack) {
		const frames = data.stack_table[stack] || [];

		return frames.length ? make("pre", {}, [title].concat(frames.map((frame) => "  " + page.frameInFull(frame))).join("\n")) :
			null;
	}

	function tell(event) {
		view.picked = event;
		if (!event)
			return view.told.replaceChildren();
		const took = time(event.end - event.start), at = view.moment(event.start, 1);

		view.told.replaceChildren(make("strong", {}, name(event.lane)), event.isHold ?
			" had the lock for " + took + ", from " + at + " on; " + event.number + " waited at most" +
				(event.forced ? "; it let go because it was asked to." : ".") :
			" waited for " + took + ", from " + at + " on; " + event.number + " attempts failed. " + name(event.holder) +
				" had the lock when it began.");
		[event.isHold ? stackText("It let go in:", event.stack) : stackText("The holder was in:", event.stack),
			event.isHold ? null : stackText("It waited in:", event.waiterStack)]
			.forEach((part) => part && view.told.append(part));
		return view.schedule();
	}

	/* To the next hold (or the last one before), so near that it can be seen as one. */
	function step(direction) {
		const from = view.picked ? view.picked.start : direction > 0 ? view.from : view.to;

		view.pending = direction;
		while (view.events.blocksWithin(view.from, view.to) > view.events.mostAtOnce)
			view.look(from - (view.to - view.from) / 4, from + (view.to - view.from) / 4);
		if (from < view.from || from > view.to)
			view.look(from - (view.to - view.from) / 2, from + (view.to - view.from) / 2);
		if (view.events.within(view.from, view.to).missing || !view.isExact)
			return view.schedule();
		const found = best((list, i, so_far) => (list.what[i] & 1) && (list.start[i] - from) * direction > 0 &&
			(!so_far || (list.start[i] - so_far.start) * direction < 0));
		if (!found && (direction > 0 ? view.to < view.whole : view.from > 0)) {
			view.pan(direction * 0.9);
			return view.schedule();
		}
		view.pending = 0;
		if (!found)
			return undefined;
		const span = Math.max(SHORTEST, 6 * (found.end - found.start));
		if (span < view.to - view.from && (found.end - found.start) * view.width / (view.to - view.from) < 30 ||
			found.start < view.from || found.end > view.to)
			view.look((found.start + found.end - span) / 2, (found.start + found.end + span) / 2);
		const row = view.lanes.indexOf(found.lane);
		if (row < view.top || row >= view.top + ROWS)
			view.scroll(row - view.top);
		return tell(found);
	}

	function pickAt(x, y) {
		const pixel = (view.to - view.from) / view.width, at = view.from + (x - GUTTER) * pixel, near = 2 * pixel;
		const row = y < AXIS + LOCK ? -1 : view.top + Math.floor((y - AXIS - LOCK) / ROW);
		const lane = row < 0 ? -1 : view.lanes[row];

		if (x < GUTTER)
			return row >= 0 && lane !== undefined ? page.pick(data.threads[lane].tid) : undefined;
		if (!view.isExact)
			return view.told.replaceChildren("From so far away single events cannot be told: zoom in.");
		const distance = (start, end) => at < start ? start - at : at > end ? at - end : 0;
		return tell(best((list, i, so_far) => (row < 0 ? (list.what[i] & 1) === 1 : list.lane[i] === lane) &&
			distance(list.start[i], list.end[i]) <= near &&
			(!so_far || distance(list.start[i], list.end[i]) < distance(so_far.start, so_far.end))));
	}

	/* ---- the twin ---- */

	function listEvents() {
		const shown = new Set(view.lanes), list = [];
		let count = 0;

		view.ready.forEach(({events: some}) => {
			for (let i = 0; i < some.count; i++) {
				if (some.end[i] < view.from || some.start[i] > view.to || !shown.has(some.lane[i]))
					continue;
				if (++count <= LISTED_FROM)
					list.push(eventOf(some, i));
			}
		});
		list.sort((a, b) => a.start - b.start);
		return page.table(count > LISTED ? "The first " + LISTED + " of " + count + " events" : count + " events",
			["from", "thread", "what", "for", "behind", "where"], list.slice(0, LISTED).map((event) => [
				view.moment(event.start, 100), name(event.lane), event.isHold ? "held" : "waited", time(event.end - event.start),
				event.isHold ? "" : name(event.holder), page.culprit(event.stack)]), [1, 2, 4, 5]);
	}

	function listShares() {
		const {overview} = view.events, first = Math.floor(view.from / overview.binNs);
		const last = Math.max(first + 1, Math.ceil(view.to / overview.binNs));
		const sum = (source) => source.slice(first, last).reduce((all, share) => all + share, 0) / 255 / (last - first);

		return page.table("What threads did in this part of the time", ["thread", "held", "waited"],
			view.lanes.slice(0, LISTED).map((lane) => [name(lane), page.percent(sum(overview.held(lane)), 1),
				page.percent(sum(overview.waited(lane)), 1)]), [0]);
	}

	Object.assign(view, {step: step, pickAt: pickAt, listEvents: listEvents, listShares: listShares});
})(giltrace);
