/* The page's tables and histograms: who waited for whom, how long waits and holds took, hogs, release points. */
(function (page) {
	"use strict";

	const {make, draw, time, data} = page;
	const ROWS = 30, COLUMNS = 15, LISTED = 200;

	function section(id, title, hint) {
		const place = document.getElementById(id), body = make("div");

		place.append(make("h2", {}, title), hint ? make("p", {class: "hint"}, hint) : "", body);
		return body;
	}

	/* ---- who waited for whom ---- */

	/* The threads of a role by their time in it, the most first; what is beyond `most` goes together. */
	function rank(pairs, role, most) {
		const sums = new Map();

		pairs.forEach((pair) => sums.set(pair[role], (sums.get(pair[role]) || 0) + pair.wait_ns));
		const sorted = Array.from(sums.keys()).sort((a, b) => sums.get(b) - sums.get(a) || a - b);
		return {tids: sorted.slice(0, most), more: sorted.length > most};
	}

	function sumCells(pairs) {
		const cells = new Map();

		pairs.forEach((pair) => {
			const key = pair.waiter + " " + pair.holder, cell = cells.get(key) || {ns: 0, waits: 0};

			cell.ns += pair.wait_ns;
			cell.waits += pair.waits;
			cells.set(key, cell);
		});
		return cells;
	}

	function holderHeading(lock, tid) {
		const name = page.threadName(lock, tid);

		if (tid === null)
			return make("th", {scope: "col"}, name);
		return make("th", {scope: "col", class: tid === page.shown.holder ? "picked" : null},
			make("button", {type: "button", "aria-pressed": String(tid === page.shown.holder), "data-holder": tid,
				title: "Who waited for it?", click: () => page.pick(tid)}, name));
	}

	function cellOf(ns, most) {
		const cell = make("td", {class: "cell"}, ns ? time(ns) : "-");

		if (ns)
			cell.style.backgroundColor = "rgba(var(--heat)," + (0.08 + 0.5 * ns / most).toFixed(2) + ")";
		return cell;
	}

	function matrixTable(pairs, lock) {
		const waiters = rank(pairs, "waiter", ROWS), holders = rank(pairs, "holder", COLUMNS), cells = sumCells(pairs);
		const shownHolders = new Set(holders.tids), shownWaiters = new Set(waiters.tids);
		const most = Math.max(1, ...Array.from(cells.values(), (cell) => cell.ns));
		const rows = waiters.tids.concat(waiters.more ? ["others"] : []);
		const columns = holders.tids.concat(holders.more ? ["others"] : []);
		const sums = new Map();

		pairs.forEach((pair) => {
			const row = shownWaiters.has(pair.waiter) ? pair.waiter : "others";
			const column = shownHolders.has(pair.holder) ? pair.holder : "others", key = row + " " + column;

			sums.set(key, (sums.get(key) || 0) + pair.wait_ns);
		});
		return make("div", {class: "scrolled"}, make("table", {},
			make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "waited \\ held"), ...columns.map((tid) =>
				tid === "others" ? make("th", {scope: "col"}, "others") : holderHeading(lock, tid)))),
			make("tbody", {}, ...rows.map((row) => make("tr", {},
				make("th", {scope: "row"}, row === "others" ? "others" : page.threadName(lock, row)),
				...columns.map((column) => cellOf(sums.get(row + " " + column), most)))))));
	}

	page.parts.push(function () {
		const body = section("matrix", "Who waited for whom", "Rows waited, columns held. Click a holder: who waited for it.");
		const twin = page.twin("The pairs as a list", () => {
			const cells = Array.from(sumCells(page.blame())).sort((a, b) => b[1].ns - a[1].ns).slice(0, LISTED);

			return page.table("Pairs of waiter and holder, the worst first", ["waiter", "holder", "waited", "waits"],
				cells.map(([key, cell]) => {
					const [waiter, holder] = key.split(" ").map((tid) => tid === "null" ? null : +tid);

					return [page.threadName(page.lock(), waiter), page.threadName(page.lock(), holder), time(cell.ns),
						String(cell.waits)];
				}), [0, 1]);
		});

		body.after(twin);
		return () => {
			const pairs = page.shown.code ? page.blame() : page.ofLock(data.blame);
			const held = document.activeElement && document.activeElement.dataset.holder;

			body.replaceChildren(pairs.length ? matrixTable(pairs, page.lock()) : "Nobody waited.");
			twin.renew();
			if (held)
				(body.querySelector('[data-holder="' + (+held) + '"]') || document.body).focus();
		};
	});

	/* ---- histograms ---- */

	/* What the first bucket has is 0: nothing that was measured is as short. */
	const SHORTEST = 8;

	/* Buckets together by octaves: [from, to, count]; what is 0 stands apart, and no empty ones lie between. */
	function octaves(buckets) {
		const sums = new Map();

		buckets.forEach(([low, , count]) => {
			const octave = low ? Math.floor(Math.log2(low)) : 0;

			sums.set(octave, (sums.get(octave) || 0) + count);
		});
		const bars = sums.has(0) ? [[0, 0, sums.get(0)]] : [], keys = Array.from(sums.keys()).filter((key) => key);
		for (let i = Math.min(...keys); i <= Math.max(...keys); i++)
			bars.push([Math.pow(2, i), Math.pow(2, i + 1), sums.get(i) || 0]);
		return bars;
	}

	function chart(bars, className, zero) {
		const WIDTH = 360, HEIGHT = 150, FOOT = 18, HEAD = 14, most = Math.max(...bars.map((bar) => bar[2])) || 1;
		const step = WIDTH / bars.length, svg = draw("svg", {viewBox: "0 0 360 150", class: "chart " + className,
			role: "img", preserveAspectRatio: "none", "aria-label": "A histogram; its figures are in the table below."});

		svg.setAttribute("preserveAspectRatio", "xMidYMid meet");
		bars.forEach(([from, to, count], i) => {
			const height = count ? Math.max(1.5, count / most * (HEIGHT - FOOT - HEAD)) : 0;
			const bar = draw("rect", {x: (i * step + 1).toFixed(2), y: (HEIGHT - FOOT - height).toFixed(2),
				width: Math.max(1, step - 2).toFixed(2), height: height.toFixed(2)});

			bar.append(draw("title", {}, (to ? time(from) + " to " + time(to) : zero) + ": " + count));
			svg.append(bar);
			if (i % Math.max(1, Math.ceil(bars.length / 6)) === 0 && i * step < WIDTH - 40)
				svg.append(draw("text", {x: (i * step).toFixed(1), y: HEIGHT - 4}, time(from)));
		});
		svg.append(draw("line", {x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT}));
		return svg;
	}

	function histogram(title, meaning, distribution, className, zero = "0") {
		const percentile = (ns) => time(ns < SHORTEST ? 0 : ns);
		const head = make("h3", {}, title), about = make("p", {class: "hint"}, meaning);

		if (!distribution || !distribution.count)
			return make("div", {}, head, make("p", {class: "hint"},
				distribution ? "None was seen." : "Not known: holds were not probed."));
		const bars = octaves(distribution.buckets);
		return make("div", {}, head, about, chart(bars, className, zero),
			make("p", {class: "hint"}, distribution.count + " in all; p50 " + percentile(distribution.p50_ns) +
				", p90 " + percentile(distribution.p90_ns) + ", p99 " + percentile(distribution.p99_ns) +
				", p99.9 " + percentile(distribution.p999_ns) + ", longest " + time(distribution.max_ns)),
			page.twin(title + " as a table", () => page.table(title, ["from", "to", "count", "share"],
				bars.map(([from, to, count]) => [to ? time(from) : zero, to ? time(to) : "", String(count),
					page.percent(count, distribution.count)]))));
	}

	page.parts.push(function () {
		const body = section("histograms", "How long it took");

		body.className = "row";
		return () => {
			const lock = page.lock();

			body.replaceChildren(
				histogram("Wait", "From the first sleep to the acquisition.", lock.wait, "wait", "did not sleep"),
				histogram("Hold", "From the acquisition to the release.", lock.hold, "hold"),
				histogram("Hand-off", "From a release to the acquisition by a thread that waited.", lock.handoff, "hold"));
		};
	});

	/* ---- hogs and release points ---- */

	function ofHolder(list) {
		const {holder} = page.shown;

		return page.ofLock(list).filter((element) => holder === null || element.tid === holder);
	}

	function hogRow(hog) {
		const doing = hog.syscall_name ? "asleep in " + hog.syscall_name + " for " + time(hog.syscall_ns) :
			hog.held_runnable_ns > hog.held_ns / 2 ? "preempted" : hog.held_blocked_ns > hog.held_ns / 2 ? "asleep" :
				hog.held_ns === null ? "" : "on a CPU";

		return [page.threadName(hog, hog.tid), time(hog.request_to_drop_ns), time(hog.held_ns), String(hog.waiters),
			hog.start_ns === null ? "-" : time(hog.start_ns - data.window.start_ns), doing, page.stackDetails(hog.stack)];
	}

	page.parts.push(function () {
		const body = section("hogs", "Hogs", "Single holds that went on for the longest after another thread had asked.");

		return () => {
			const hogs = ofHolder(data.hogs);

			body.replaceChildren(hogs.length ? page.table(
				hogs.length > LISTED ? "The worst " + LISTED + " of " + hogs.length : hogs.length + ", the worst first",
				["thread", "kept waiting", "held", "waiters", "began at", "doing", "where"],
				hogs.slice(0, LISTED).map(hogRow), [0, 5, 6]) : "None was seen.");
		};
	});

	function pointRow(point) {
		return [page.threadName(point, point.tid), String(point.releases), String(point.forced), time(point.held_ns),
			time(point.outside_ns), String(point.returns), time(point.back_ns),
			point.convoy_score === null ? "-" : point.convoy_score.toFixed(2), page.stackDetails(point.stack)];
	}

	page.parts.push(function () {
		const body = section("points", "Release points",
			"Where threads let the lock go, and what it cost to get it back. A score above 1: more than they were away for.");

		return () => {
			const points = ofHolder(data.release_points);

			body.replaceChildren(points.length ? page.table(
				points.length > LISTED ? "The first " + LISTED + " of " + points.length : points.length + " places",
				["thread", "releases", "forced", "held", "away", "returns", "getting back", "score", "where"],
				points.slice(0, LISTED).map(pointRow), [0, 8]) : "None is known.");
		};
	});
})(giltrace);
