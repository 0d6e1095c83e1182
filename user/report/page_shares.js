/*
 * What the timeline draws: which share of each pixel's time a thread had the lock, and which it waited. Seen from afar it
 * comes from the overview, else from the events themselves. Here begins page.timeline, what the timeline's files share.
 */
(function (page) {
	"use strict";

	const {data} = page;
	const view = page.timeline = {
		GUTTER: 150, AXIS: 22, LOCK: 34, ROW: 20, ROWS: 16, GAP: 3,
		whole: data.window.duration_ns || 1, /* ns, as all times are: since the trace began */
		from: 0, to: data.window.duration_ns || 1, /* what is in sight, */
		lanes: [], top: 0,                         /* of these of data.threads, from this one on */
		picked: null, pending: 0,                  /* a single event; which way to go for one when there are events */
		events: null, isExact: false, ready: [],   /* the blocks of events that are drawn, if they are */
		canvas: null, pen: null, width: 0, held: null, waited: null
	};
	const {ROWS} = view;

	/* ---- what is to be seen: shares of pixels ---- */

	function rowsShown() {
		return Math.min(ROWS, view.lanes.length - view.top);
	}

	/* Waits are of interest there only; holds make the lock's row, too. */
	function isInSight(row) {
		return row >= view.top && row < view.top + ROWS;
	}

	function clearShares() {
		const size = view.lanes.length * view.width;

		if (!view.held || view.held.length < size) {
			view.held = new Float32Array(size);
			view.waited = new Float32Array(size);
		} else {
			view.held.fill(0);
			view.waited.fill(0);
		}
	}

	function shareOverview() {
		const {bins, binNs} = view.events.overview, scale = (view.to - view.from) / view.width;

		view.lanes.forEach((lane, row) => {
			const sources = [[view.events.overview.held(lane), view.held]];

			if (isInSight(row))
				sources.push([view.events.overview.waited(lane), view.waited]);
			sources.forEach(([source, into]) => {
				for (let x = 0; x < view.width; x++) {
					const first = Math.floor((view.from + x * scale) / binNs);
					const last = Math.max(first + 1, Math.min(bins, Math.floor((view.from + (x + 1) * scale) / binNs)));
					let sum = 0;

					for (let bin = first; bin < last; bin++)
						sum += source[bin] || 0;
					into[row * view.width + x] = sum / (255 * (last - first));
				}
			});
		});
	}

	function shareEvents() {
		const rowOf = new Int32Array(data.threads.length).fill(-1), scale = view.width / (view.to - view.from);

		view.lanes.forEach((lane, row) => { rowOf[lane] = row; });
		view.ready.forEach(({events: {count, what, lane, start, end}}) => {
			for (let i = 0; i < count; i++) {
				const row = rowOf[lane[i]];

				if (row < 0 || end[i] < view.from || start[i] > view.to || (!(what[i] & 1) && !isInSight(row)))
					continue;
				const into = what[i] & 1 ? view.held : view.waited, base = row * view.width;
				const from = Math.max(0, (start[i] - view.from) * scale), to = Math.min(view.width, (end[i] - view.from) * scale);
				const first = Math.floor(from), last = Math.min(view.width - 1, Math.floor(to));

				if (first >= last)
					into[base + Math.min(first, view.width - 1)] += Math.max(to - from, 0.004);
				else {
					into[base + first] += first + 1 - from;
					for (let x = first + 1; x < last; x++)
						into[base + x] = 1;
					into[base + last] += to - last;
				}
			}
		});
	}

	function gather() {
		const {events} = view, isNear = events.blocksWithin(view.from, view.to) <= events.mostAtOnce;
		const found = isNear ? events.within(view.from, view.to) : null;

		clearShares();
		view.isExact = found !== null && !found.missing;
		view.ready = view.isExact ? found.ready : [];
		if (view.isExact)
			shareEvents();
		else if (view.events.overview)
			shareOverview();
	}

	Object.assign(view, {rowsShown: rowsShown, gather: gather});
})(giltrace);
