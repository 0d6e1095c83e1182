/*
 * The timeline under the hand: moving, zooming, keys, wheel and pointer. What it draws and tells is in page_shares.js,
 * page_picture.js and page_single.js.
 */
(function (page) {
	"use strict";

	const {make, time, data, timeline: view} = page, {GUTTER, ROWS} = view;
	const SHORTEST = 200; /* ns: what the whole width shows at least */
	const MOST_LANES = 4096; /* as in html_lanes.h */

	function schedule() {
		if (!view.scheduled)
			requestAnimationFrame(view.draw);
		view.scheduled = true;
	}

	function tellView() {
		const {step: size} = view.ticks(view.from, view.to), span = view.to - view.from;

		view.about.textContent = view.moment(view.from, size / 10) + " to " + view.moment(view.to, size / 10) +
			" (" + time(span) + "); " +
			(view.isExact ? "each event" : view.events.overview ? "overview" : "\u2026") +
			(view.lanes.length > ROWS ? "; threads " + (view.top + 1) + " to " + (view.top + view.rowsShown()) + " of " +
				view.lanes.length : "") + (view.events.failed ? "; the events cannot be shown: " + view.events.failed : "");
		Object.assign(view.canvas.dataset, {from: view.from, to: view.to,
			state: view.isExact ? "events" : view.events.overview ? "overview" : "none"});
		if (view.twin.open)
			view.twin.renew();
	}

	/* ---- moving ---- */

	function look(from, to) {
		const span = Math.min(view.whole, Math.max(SHORTEST, to - from));

		from = Math.max(0, Math.min(view.whole - span, from + (to - from - span) / 2));
		view.from = from;
		view.to = from + span;
		schedule();
	}

	function zoom(factor, at) {
		look(at - (at - view.from) / factor, at + (view.to - at) / factor);
	}

	function pan(share) {
		const span = view.to - view.from, from = Math.max(0, Math.min(view.whole - span, view.from + span * share));

		look(from, from + span);
	}

	function scroll(rows) {
		view.top = Math.max(0, Math.min(view.lanes.length - ROWS, view.top + rows));
		schedule();
	}

	const middle = () => (view.from + view.to) / 2;

	/* ---- hands ---- */

	function onKey(event) {
		const actions = {
			"+": () => zoom(2, middle()), "=": () => zoom(2, middle()), "-": () => zoom(0.5, middle()),
			ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), ArrowUp: () => scroll(-1), ArrowDown: () => scroll(1),
			PageUp: () => scroll(-ROWS), PageDown: () => scroll(ROWS), Home: () => look(0, view.whole), "0": () => look(0, view.whole),
			n: () => view.step(1), p: () => view.step(-1)
		};

		if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key])
			return;
		event.preventDefault();
		actions[event.key]();
	}

	function onWheel(event) {
		const isOut = event.deltaY > 0, at = view.from + (event.offsetX - GUTTER) * (view.to - view.from) / view.width;

		/* With nothing more to see, the page scrolls on. */
		if (!event.shiftKey && isOut && view.from === 0 && view.to === view.whole)
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
			const by = (x - event.clientX) * (to - from) / view.width;

			moved = moved || Math.abs(x - event.clientX) > 3;
			if (moved) {
				const start = Math.max(0, Math.min(view.whole - (to - from), from + by));

				look(start, start + to - from);
			}
		};
		view.canvas.addEventListener("pointermove", move);
		view.canvas.addEventListener("pointerup", (event) => {
			view.canvas.removeEventListener("pointermove", move);
			if (!moved)
				view.pickAt(event.offsetX, event.offsetY);
		}, {once: true});
		view.canvas.setPointerCapture(down.pointerId);
	}

	function button(text, label, action) {
		return make("button", {type: "button", "aria-label": label, title: label, click: action}, text);
	}

	function build(place) {
		view.canvas = make("canvas", {tabindex: 0, role: "application", id: "time", keydown: onKey, pointerdown: onPointer,
			"aria-label": "Timeline: plus and minus zoom, arrows move, n and p go to the next and previous hold, Home shows all",
			dblclick: (event) => zoom(3, view.from + (event.offsetX - GUTTER) * (view.to - view.from) / view.width)});
		view.canvas.addEventListener("wheel", onWheel, {passive: false});
		view.pen = view.canvas.getContext("2d");
		view.about = make("span", {role: "status"});
		view.told = make("div", {class: "told", "aria-live": "polite"});
		view.twin = page.twin("What is in sight, as a table", () =>
			view.isExact ? view.listEvents() : view.events.overview ? view.listShares() : "");
		place.append(make("div", {class: "toolbar"}, button("+", "Zoom in", () => zoom(2, middle())),
			button("\u2212", "Zoom out", () => zoom(0.5, middle())), button("\u25c0", "Earlier", () => pan(-0.5)),
			button("\u25b6", "Later", () => pan(0.5)), button("All", "The whole trace", () => look(0, view.whole)),
			button("Previous hold", "The previous hold (p)", () => view.step(-1)),
			button("Next hold", "The next hold (n)", () => view.step(1)), view.about), view.canvas, view.told, view.twin);
		new ResizeObserver(schedule).observe(place);
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
	}

	page.parts.push(function () {
		const place = document.getElementById("timeline"), level = data.events;

		place.append(make("h2", {}, "Timeline"));
		if (!document.querySelector("script.events")) {
			place.append(make("p", {class: "hint"}, level === "none" ? "Single events were not recorded (--events)." :
				"No single event was seen."));
			return () => {};
		}
		view.events = page.openEvents(() => schedule());
		place.append(make("p", {class: "hint"}, view.events.count + " events" + (level === "contended" ?
			": each wait, and the holds that somebody waited for" : "") + ". Holds grow from the bottom of a row, waits from its " +
			"top. Wheel, + and - zoom; drag or arrows move; click an event, or a name."));
		build(place);
		return () => {
			const lanes = data.threads.map((thread, i) => i)
				.filter((i) => page.isOf(data.threads[i], page.lock()) && i < MOST_LANES);

			if (lanes[0] !== view.lanes[0] || lanes.length !== view.lanes.length)
				Object.assign(view, {lanes: lanes, top: 0, picked: null});
			schedule();
		};
	});

	Object.assign(view, {schedule: schedule, look: look, pan: pan, scroll: scroll, tellView: tellView});
})(giltrace);
