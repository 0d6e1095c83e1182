/*
 * The timeline: who had the lock when, and who waited, from the whole trace down to single hand-offs. On top a row for the
 * lock, in the colours of its holders; below a row for each thread, where holds grow from the bottom and waits, paler, from
 * the top. Seen from afar it is drawn from the overview, else from the events themselves; either becomes shares of pixels.
 */
(function (page) {
	"use strict";

	const {make, time, data} = page;
	const GUTTER = 150, AXIS = 22, LOCK = 34, ROW = 20, ROWS = 16, GAP = 3, LISTED = 200;
	const SHORTEST = 200; /* ns: what the whole width shows at least */
	const whole = data.window.duration_ns || 1;
	const view = {from: 0, to: whole, top: 0, lanes: [], picked: null, pending: 0};
	let events, canvas, pen, told, about, twin, held, waited, scheduled = false, width = 0, isExact = false, ready = [];

	/* ---- what is to be seen: shares of pixels ---- */

	function rowsShown() {
		return Math.min(ROWS, view.lanes.length - view.top);
	}

	/* Waits are of interest there only; holds make the lock's row, too. */
	function isInSight(row) {
		return row >= view.top && row < view.top + ROWS;
	}

	function clearShares() {
		const size = view.lanes.length * width;

		if (!held || held.length < size) {
			held = new Float32Array(size);
			waited = new Float32Array(size);
		} else {
			held.fill(0);
			waited.fill(0);
		}
	}

	function shareOverview() {
		const {bins, binNs} = events.overview, scale = (view.to - view.from) / width;

		view.lanes.forEach((lane, row) => {
			const sources = [[events.overview.held(lane), held]];

			if (isInSight(row))
				sources.push([events.overview.waited(lane), waited]);
			sources.forEach(([source, into]) => {
				for (let x = 0; x < width; x++) {
					const first = Math.floor((view.from + x * scale) / binNs);
					const last = Math.max(first + 1, Math.min(bins, Math.floor((view.from + (x + 1) * scale) / binNs)));
					let sum = 0;

					for (let bin = first; bin < last; bin++)
						sum += source[bin] || 0;
					into[row * width + x] = sum / (255 * (last - first));
				}
			});
		});
	}

	function shareEvents() {
		const rowOf = new Int32Array(data.threads.length).fill(-1), scale = width / (view.to - view.from);

		view.lanes.forEach((lane, row) => { rowOf[lane] = row; });
		ready.forEach(({events: {count, what, lane, start, end}}) => {
			for (let i = 0; i < count; i++) {
				const row = rowOf[lane[i]];

				if (row < 0 || end[i] < view.from || start[i] > view.to || (!(what[i] & 1) && !isInSight(row)))
					continue;
				const into = what[i] & 1 ? held : waited, base = row * width;
				const from = Math.max(0, (start[i] - view.from) * scale), to = Math.min(width, (end[i] - view.from) * scale);
				const first = Math.floor(from), last = Math.min(width - 1, Math.floor(to));

				if (first >= last)
					into[base + Math.min(first, width - 1)] += Math.max(to - from, 0.004);
				else {
					into[base + first] += first + 1 - from;
					for (let x = first + 1; x < last; x++)
						into[base + x] = 1;
					into[base + last] += to - last;
				}
			}
		});
	}

	/* ---- drawing ---- */

	function colours() {
		const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
		const dark = matchMedia("(prefers-color-scheme: dark)").matches;

		return {paper: of("--card"), ink: of("--ink"), minor: of("--minor"), rule: of("--rule"), wait: of("--wait"),
			focus: of("--focus"), of: (row) => "hsl(" + (210 + row * 137.5) % 360 + " 55% " + (dark ? 62 : 46) + "%)"};
	}

	function ticks(from, to) {
		const rough = (to - from) / Math.max(2, width / 130), power = Math.pow(10, Math.floor(Math.log10(rough)));
		const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough), list = [];

		for (let at = Math.ceil(from / step) * step; at <= to; at += step)
			list.push(at);
		return {step: step, list: list};
	}

	/* A moment: as many digits as the step needs. */
	function moment(ns, step) {
		const [unit, size] = whole >= 1e9 ? ["s", 1e9] : ["ms", 1e6];
		const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / size) - 1e-9)));

		return (ns / size).toFixed(digits) + " " + unit;
	}

	function drawAxis(colour) {
		const {step, list} = ticks(view.from, view.to), scale = width / (view.to - view.from), bottom = canvas.clientHeight;

		pen.fillStyle = colour.minor;
		pen.strokeStyle = colour.rule;
		pen.lineWidth = 1;
		list.forEach((at) => {
			const x = GUTTER + Math.round((at - view.from) * scale) + 0.5, label = moment(at, step);

			pen.beginPath();
			pen.moveTo(x, AXIS - 5);
			pen.lineTo(x, bottom);
			pen.stroke();
			if (x + pen.measureText(label).width < GUTTER + width)
				pen.fillText(label, x + 3, 14);
		});
	}

	/* Neighbours of the same height are one box. */
	function drawShares(source, base, top, height, fromTop, least) {
		for (let x = 0; x < width;) {
			const share = Math.min(1, source[base + x]), tall = Math.round(share * height * 2) / 2;
			let next = x + 1;

			while (next < width && Math.round(Math.min(1, source[base + next]) * height * 2) / 2 === tall &&
				(source[base + next] > 0) === (share > 0))
				next++;
			if (share > 0) {
				const drawn = Math.max(least, tall);

				pen.fillRect(GUTTER + x, fromTop ? top : top + height - drawn, next - x, drawn);
			}
			x = next;
		}
	}

	function isFaint(lane) {
		return page.shown.holder !== null && data.threads[lane].tid !== page.shown.holder;
	}

	function drawLock(colour) {
		const filled = new Float32Array(width), top = AXIS, height = LOCK - 6;

		view.lanes.forEach((lane, row) => {
			pen.fillStyle = colour.of(row);
			pen.globalAlpha = isFaint(lane) ? 0.25 : 1;
			for (let x = 0; x < width; x++) {
				const tall = Math.min(height - filled[x], held[row * width + x] * height);

				if (tall < 0.1)
					continue;
				let next = x + 1;
				while (next < width && tall === height && held[row * width + next] >= 1 && !filled[next])
					filled[next++] = height;
				pen.fillRect(GUTTER + x, top + height - filled[x] - tall, next - x, tall);
				filled[x] += tall;
				x = next - 1;
			}
		});
		pen.globalAlpha = 1;
		pen.fillStyle = colour.ink;
		pen.fillText("who has the lock", 8, top + 19);
	}

	function drawRows(colour) {
		for (let i = 0; i < rowsShown(); i++) {
			const row = view.top + i, lane = view.lanes[row], top = AXIS + LOCK + i * ROW, height = ROW - GAP;
			const thread = data.threads[lane];

			pen.globalAlpha = isFaint(lane) ? 0.2 : 0.4;
			pen.fillStyle = colour.wait;
			drawShares(waited, row * width, top, height, true, 1);
			pen.globalAlpha = isFaint(lane) ? 0.35 : 1;
			pen.fillStyle = colour.of(row);
			drawShares(held, row * width, top, height, false, 1);
			pen.globalAlpha = 1;
			pen.fillRect(2, top + 3, 4, height - 6);
			pen.fillStyle = colour.ink;
			pen.fillText(fitted((thread.name || "thread") + " " + thread.tid), 10, top + 13);
			pen.fillStyle = colour.rule;
			pen.fillRect(GUTTER, top + height + 1, width, 0.5);
		}
	}

	function fitted(text) {
		let characters = Array.from(text.slice(0, 40));

		while (characters.length > 1 && pen.measureText(characters.join("")).width > GUTTER - 16)
			characters = characters.slice(0, -1);
		return characters.join("");
	}

	/* Where holds follow each other, and what was picked. */
	function drawEdges(colour) {
		const scale = width / (view.to - view.from), rowOf = new Map(view.lanes.map((lane, row) => [lane, row]));

		pen.fillStyle = colour.paper;
		ready.forEach(({events: {count, lane, start, end}}) => {
			for (let i = 0; i < count; i++) {
				const row = (rowOf.get(lane[i]) || 0) - view.top;

				if ((end[i] - start[i]) * scale < 5 || end[i] < view.from || end[i] > view.to || row < 0 || row >= rowsShown())
					continue;
				pen.fillRect(GUTTER + (end[i] - view.from) * scale - 0.5, AXIS + LOCK + row * ROW, 1, ROW - GAP);
			}
		});
		if (view.picked && rowOf.has(view.picked.lane)) {
			const row = rowOf.get(view.picked.lane) - view.top, from = Math.max(0, (view.picked.start - view.from) * scale);
			const to = Math.min(width, (view.picked.end - view.from) * scale);

			pen.strokeStyle = colour.focus;
			pen.lineWidth = 2;
			if (row >= 0 && row < rowsShown() && to >= 0 && from <= width)
				pen.strokeRect(GUTTER + from, AXIS + LOCK + row * ROW - 1, Math.max(2, to - from), ROW - GAP + 2);
		}
	}

	function resize() {
		const ratio = window.devicePixelRatio || 1, height = AXIS + LOCK + Math.max(1, rowsShown()) * ROW;

		canvas.style.height = height + "px";
		width = Math.max(50, canvas.clientWidth - GUTTER);
		if (canvas.width !== Math.round(canvas.clientWidth * ratio) || canvas.height !== Math.round(height * ratio)) {
			canvas.width = Math.round(canvas.clientWidth * ratio);
			canvas.height = Math.round(height * ratio);
		}
		pen.setTransform(ratio, 0, 0, ratio, 0, 0);
	}

	function gather() {
		const found = events.blocksWithin(view.from, view.to) <= events.mostAtOnce ? events.within(view.from, view.to) : null;

		clearShares();
		isExact = found !== null && !found.missing;
		ready = isExact ? found.ready : [];
		if (isExact)
			shareEvents();
		else if (events.overview)
			shareOverview();
	}

	function draw() {
		const colour = colours();

		scheduled = false;
		resize();
		gather();
		pen.font = "12px system-ui, sans-serif";
		pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
		drawAxis(colour);
		drawLock(colour);
		drawRows(colour);
		if (isExact)
			drawEdges(colour);
		tellView();
		if (isExact && view.pending)
			step(view.pending);
	}

	function schedule() {
		if (!scheduled)
			requestAnimationFrame(draw);
		scheduled = true;
	}

	function tellView() {
		const {step: size} = ticks(view.from, view.to), span = view.to - view.from;

		about.textContent = moment(view.from, size / 10) + " to " + moment(view.to, size / 10) + " (" + time(span) + "); " +
			(isExact ? "each event" : events.overview ? "overview" : "\u2026") +
			(view.lanes.length > ROWS ? "; threads " + (view.top + 1) + " to " + (view.top + rowsShown()) + " of " +
				view.lanes.length : "") + (events.failed ? "; the events cannot be shown: " + events.failed : "");
		Object.assign(canvas.dataset, {from: view.from, to: view.to, state: isExact ? "events" : events.overview ? "overview" : "none"});
		if (twin.open)
			twin.renew();
	}

	/* ---- moving ---- */

	function look(from, to) {
		const span = Math.min(whole, Math.max(SHORTEST, to - from));

		from = Math.max(0, Math.min(whole - span, from + (to - from - span) / 2));
		view.from = from;
		view.to = from + span;
		schedule();
	}

	function zoom(factor, at) {
		look(at - (at - view.from) / factor, at + (view.to - at) / factor);
	}

	function pan(share) {
		const by = (view.to - view.from) * share, from = Math.max(0, Math.min(whole - (view.to - view.from), view.from + by));

		look(from, from + view.to - view.from);
	}

	function scroll(rows) {
		view.top = Math.max(0, Math.min(view.lanes.length - ROWS, view.top + rows));
		schedule();
	}

	const middle = () => (view.from + view.to) / 2;

	/* ---- single events ---- */

	function eventOf(list, i) {
		return {isHold: (list.what[i] & 1) === 1, forced: (list.what[i] & 2) !== 0, lane: list.lane[i], start: list.start[i],
			end: list.end[i], stack: list.stack[i], number: list.number[i], holder: list.holder[i] - 1,
			waiterStack: list.waiterStack[i]};
	}

	/* The best of the events at hand: `better(list, i, best)` says whether it is. */
	function best(better) {
		const lanes = new Set(view.lanes);
		let found = null;

		ready.forEach(({events: list}) => {
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

		return frames.length ? make("pre", {}, title + "\n" + frames.map((frame) => "  " + page.frameInFull(frame)).join("\n")) : null;
	}

	function tell(event) {
		view.picked = event;
		if (!event)
			return told.replaceChildren();
		const took = time(event.end - event.start), at = moment(event.start, 1);

		told.replaceChildren(make("strong", {}, name(event.lane)), event.isHold ?
			" had the lock for " + took + ", from " + at + " on; " + event.number + " waited at most" +
				(event.forced ? "; it let go because it was asked to." : ".") :
			" waited for " + took + ", from " + at + " on; " + event.number + " attempts failed. " + name(event.holder) +
				" had the lock when it began.");
		[event.isHold ? stackText("It let go in:", event.stack) : stackText("The holder was in:", event.stack),
			event.isHold ? null : stackText("It waited in:", event.waiterStack)].forEach((part) => part && told.append(part));
		return schedule();
	}

	/* To the next hold (or the last one before), so near that it can be seen as one. */
	function step(direction) {
		const from = view.picked ? view.picked.start : direction > 0 ? view.from : view.to;

		view.pending = direction;
		while (events.blocksWithin(view.from, view.to) > events.mostAtOnce)
			look(from - (view.to - view.from) / 4, from + (view.to - view.from) / 4);
		if (from < view.from || from > view.to)
			look(from - (view.to - view.from) / 2, from + (view.to - view.from) / 2);
		if (events.within(view.from, view.to).missing || !isExact)
			return schedule();
		const found = best((list, i, so_far) => (list.what[i] & 1) && (list.start[i] - from) * direction > 0 &&
			(!so_far || (list.start[i] - so_far.start) * direction < 0));
		if (!found && (direction > 0 ? view.to < whole : view.from > 0)) {
			pan(direction * 0.9);
			return schedule();
		}
		view.pending = 0;
		if (!found)
			return undefined;
		const span = Math.max(SHORTEST, 6 * (found.end - found.start));
		if (span < view.to - view.from && (found.end - found.start) * width / (view.to - view.from) < 30 ||
			found.start < view.from || found.end > view.to)
			look((found.start + found.end - span) / 2, (found.start + found.end + span) / 2);
		const row = view.lanes.indexOf(found.lane);
		if (row < view.top || row >= view.top + ROWS)
			scroll(row - view.top);
		return tell(found);
	}

	function pickAt(x, y) {
		const at = view.from + (x - GUTTER) * (view.to - view.from) / width, near = 2 * (view.to - view.from) / width;
		const row = y < AXIS + LOCK ? -1 : view.top + Math.floor((y - AXIS - LOCK) / ROW), lane = row < 0 ? -1 : view.lanes[row];

		if (x < GUTTER)
			return row >= 0 && lane !== undefined ? page.pick(data.threads[lane].tid) : undefined;
		if (!isExact)
			return told.replaceChildren("From so far away single events cannot be told: zoom in.");
		const distance = (start, end) => at < start ? start - at : at > end ? at - end : 0;
		return tell(best((list, i, so_far) => (row < 0 ? (list.what[i] & 1) === 1 : list.lane[i] === lane) &&
			distance(list.start[i], list.end[i]) <= near &&
			(!so_far || distance(list.start[i], list.end[i]) < distance(so_far.start, so_far.end))));
	}

	/* ---- the twin ---- */

	function listEvents() {
		const shown = new Set(view.lanes), list = [];
		let count = 0;

		ready.forEach(({events: some}) => {
			for (let i = 0; i < some.count; i++) {
				if (some.end[i] < view.from || some.start[i] > view.to || !shown.has(some.lane[i]))
					continue;
				if (++count <= 20000)
					list.push(eventOf(some, i));
			}
		});
		list.sort((a, b) => a.start - b.start);
		return page.table(count > LISTED ? "The first " + LISTED + " of " + count + " events" : count + " events",
			["from", "thread", "what", "for", "behind", "where"], list.slice(0, LISTED).map((event) => [moment(event.start, 100),
				name(event.lane), event.isHold ? "held" : "waited", time(event.end - event.start),
				event.isHold ? "" : name(event.holder), page.culprit(event.stack)]), [1, 2, 4, 5]);
	}

	function listShares() {
		const {overview} = events, first = Math.floor(view.from / overview.binNs);
		const last = Math.max(first + 1, Math.ceil(view.to / overview.binNs));
		const sum = (source) => source.slice(first, last).reduce((all, share) => all + share, 0) / 255 / (last - first);

		return page.table("What threads did in this part of the time", ["thread", "held", "waited"],
			view.lanes.slice(0, LISTED).map((lane) => [name(lane), page.percent(sum(overview.held(lane)), 1),
				page.percent(sum(overview.waited(lane)), 1)]), [0]);
	}

	/* ---- hands ---- */

	function onKey(event) {
		const actions = {
			"+": () => zoom(2, middle()), "=": () => zoom(2, middle()), "-": () => zoom(0.5, middle()),
			ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), ArrowUp: () => scroll(-1), ArrowDown: () => scroll(1),
			PageUp: () => scroll(-ROWS), PageDown: () => scroll(ROWS), Home: () => look(0, whole), "0": () => look(0, whole),
			n: () => step(1), p: () => step(-1)
		};

		if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key])
			return;
		event.preventDefault();
		actions[event.key]();
	}

	function onWheel(event) {
		const isOut = event.deltaY > 0, at = view.from + (event.offsetX - GUTTER) * (view.to - view.from) / width;

		/* With nothing more to see, the page scrolls on. */
		if (!event.shiftKey && isOut && view.from === 0 && view.to === whole)
			return;
		event.preventDefault();
		if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
			pan(Math.sign(event.deltaX || event.deltaY) * 0.1);
		else
			zoom(isOut ? 1 / 1.3 : 1.3, Math.max(view.from, Math.min(view.to, at)));
	}

	function onPointer(down) {
		const from = view.from, to = view.to, x = down.clientX;
		let moved = false;

		if (down.button !== 0)
			return;
		const move = (event) => {
			const by = (x - event.clientX) * (to - from) / width;

			moved = moved || Math.abs(x - event.clientX) > 3;
			if (moved) {
				const start = Math.max(0, Math.min(whole - (to - from), from + by));

				look(start, start + to - from);
			}
		};
		canvas.addEventListener("pointermove", move);
		canvas.addEventListener("pointerup", (event) => {
			canvas.removeEventListener("pointermove", move);
			if (!moved)
				pickAt(event.offsetX, event.offsetY);
		}, {once: true});
		canvas.setPointerCapture(down.pointerId);
	}

	function button(text, label, action) {
		return make("button", {type: "button", "aria-label": label, title: label, click: action}, text);
	}

	function build(place) {
		canvas = make("canvas", {tabindex: 0, role: "application", id: "time", keydown: onKey, pointerdown: onPointer,
			"aria-label": "Timeline: plus and minus zoom, arrows move, n and p go to the next and previous hold, Home shows all",
			dblclick: (event) => zoom(3, view.from + (event.offsetX - GUTTER) * (view.to - view.from) / width)});
		canvas.addEventListener("wheel", onWheel, {passive: false});
		pen = canvas.getContext("2d");
		about = make("span", {role: "status"});
		told = make("div", {class: "told", "aria-live": "polite"});
		twin = page.twin("What is in sight, as a table", () => isExact ? listEvents() : events.overview ? listShares() : "");
		place.append(make("div", {class: "toolbar"}, button("+", "Zoom in", () => zoom(2, middle())),
			button("\u2212", "Zoom out", () => zoom(0.5, middle())), button("\u25c0", "Earlier", () => pan(-0.5)),
			button("\u25b6", "Later", () => pan(0.5)), button("All", "The whole trace", () => look(0, whole)),
			button("Previous hold", "The previous hold (p)", () => step(-1)),
			button("Next hold", "The next hold (n)", () => step(1)), about), canvas, told, twin);
		new ResizeObserver(schedule).observe(place);
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
	}

	page.parts.push(function () {
		const place = document.getElementById("timeline"), level = data.events.level;

		place.append(make("h2", {}, "Timeline"));
		if (!data.events.count) {
			place.append(make("p", {class: "hint"}, level === "none" ? "Single events were not recorded (--events)." :
				"No single event was seen."));
			return () => {};
		}
		events = page.openEvents(() => schedule());
		place.append(make("p", {class: "hint"}, events.count + " events" + (level === "contended" ?
			": each wait, and the holds that somebody waited for" : "") + ". Holds grow from the bottom of a row, waits from its " +
			"top. Wheel, + and - zoom; drag or arrows move; click an event, or a name."));
		build(place);
		return () => {
			const lanes = data.threads.map((thread, i) => i).filter((i) => page.isOf(data.threads[i], page.lock()) && i < 4096);

			if (lanes[0] !== view.lanes[0] || lanes.length !== view.lanes.length)
				Object.assign(view, {lanes: lanes, top: 0, picked: null});
			schedule();
		};
	});
})(giltrace);
