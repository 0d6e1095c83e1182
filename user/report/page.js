/*
 * The page: what its parts share. The data is in #data (the JSON report, docs/json.md, with stacks by number); names in it
 * only ever become text. The parts (tables, flame graphs, timeline) are functions in page.parts; each makes its section and
 * draws it anew when what is shown changes: page.shown is the lock, and the thread or the code that all of them look at.
 * Nothing is asked of anybody.
 */
const giltrace = (function () {
	"use strict";

	const SVG = "http://www.w3.org/2000/svg";
	const KINDS = ["python", "native", "kernel", "note"];
	const data = JSON.parse(document.getElementById("data").textContent);
	const lanes = new Map();
	const page = {
		data: data, parts: [], drawers: [], KINDS: KINDS,
		/* lock: a number of data.gils; holder: a tid or null; code: of a flame graph {kind, label, pairs: Set} or null */
		shown: {lock: 0, holder: null, code: null}
	};

	/* ---- elements ---- */

	/* An element with attributes; children are elements or become text. */
	page.make = function (name, attributes, ...children) {
		const element = document.createElement(name);

		Object.entries(attributes || {}).forEach(([key, value]) => {
			if (typeof value === "function")
				element.addEventListener(key, value);
			else if (value !== null && value !== undefined && value !== false)
				element.setAttribute(key, value === true ? "" : value);
		});
		element.append(...children.filter((child) => child !== null && child !== undefined));
		return element;
	};

	page.draw = function (name, attributes, text) {
		const element = document.createElementNS(SVG, name);

		Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
		if (text !== undefined)
			element.textContent = text;
		return element;
	};

	/* A table: headings, and rows of cells (texts or elements). Columns of `words` are set to the left. */
	page.table = function (caption, headings, rows, words) {
		const {make} = page, isWords = (i) => (words || []).includes(i) ? "words" : null;

		return make("div", {class: "scrolled", tabindex: 0, role: "region", "aria-label": caption},
			make("table", {}, make("caption", {}, caption),
				make("thead", {}, make("tr", {}, ...headings.map((heading, i) =>
					make("th", {scope: "col", class: isWords(i)}, heading)))),
				make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, i) =>
					make("td", {class: isWords(i)}, cell === null || cell === undefined ? "-" : cell)))))));
	};

	/* A graphic's twin for those who would rather read. It is made when it is opened. */
	page.twin = function (title, fill) {
		const details = page.make("details", {toggle: () => {
			while (details.children.length > 1)
				details.lastChild.remove();
			if (details.open)
				details.append(fill());
		}}, page.make("summary", {}, title));

		details.renew = () => details.dispatchEvent(new Event("toggle"));
		return details;
	};

	/* ---- words ---- */

	page.time = function (ns) {
		const units = [["s", 1e9], ["ms", 1e6], ["us", 1e3], ["ns", 1]];
		let i = 0;

		if (ns === null || ns === undefined)
			return "-";
		if (!ns)
			return "0";
		while (i < 3 && ns < units[i][1] * 0.9995)
			i++;
		const value = ns / units[i][1];
		return (i === 3 || value >= 99.95 ? value.toFixed(0) : value < 9.995 ? value.toFixed(2) : value.toFixed(1)) + " " +
			units[i][0];
	};

	page.percent = function (part, whole) {
		const value = whole ? 100 * part / whole : 0;

		return (value <= 0 ? "0" : value < 0.1 ? "<0.1" : value < 9.95 ? value.toFixed(1) : value.toFixed(0)) + " %";
	};

	/* ---- the model ---- */

	page.lock = () => data.gils[page.shown.lock];
	page.isOf = (element, lock) => lock && element.process === lock.process && element.gil === lock.gil;
	page.ofLock = (list) => list.filter((element) => page.isOf(element, page.lock()));
	page.hasHolds = () => data.probes.level !== "waits";

	page.lane = function (element, tid) {
		const lane = lanes.get(element.process + " " + element.gil + " " + tid);

		return lane === undefined ? -1 : lane;
	};

	page.threadName = function (element, tid) {
		const lane = page.lane(element, tid);

		return tid === null ? "unknown" : ((lane >= 0 && data.threads[lane].name) || "thread") + " (" + tid + ")";
	};

	page.lockName = function (lock) {
		return (data.processes.length > 1 ? "pid " + lock.pid + ", " : "") + "lock " + lock.gil +
			(lock.interpreter === null ? "" : " (interpreter " + lock.interpreter + ")");
	};

	/* "is_email (validation.py:17)". */
	page.frameLabel = function (number) {
		const [name, file, line] = data.frames[number] || ["?", null, 0];

		return (name || "?") + (file ? " (" + file.slice(file.lastIndexOf("/") + 1) + (line ? ":" + line : "") + ")" : "");
	};

	page.frameInFull = function (number) {
		const [name, file, line] = data.frames[number] || ["?", null, 0];

		return (name || "?") + (file ? "  " + file + (line ? ":" + line : "") : "");
	};

	/* The frame that a place is named by: the innermost Python function, else the leaf. */
	page.culprit = function (stack) {
		const frames = data.stack_table[stack] || [];
		const python = frames.find((number) => data.frames[number][3] === 0);

		return frames.length ? page.frameLabel(python === undefined ? frames[0] : python) : "[unknown stack]";
	};

	page.stackDetails = function (stack) {
		const frames = data.stack_table[stack] || [];

		if (frames.length < 2)
			return page.make("span", {}, page.culprit(stack));
		return page.make("details", {}, page.make("summary", {}, page.culprit(stack)),
			page.make("pre", {}, frames.map(page.frameInFull).join("\n")));
	};

	/* ---- what is shown ---- */

	page.show = function (change) {
		Object.assign(page.shown, change);
		page.drawers.forEach((drawer) => drawer());
	};

	/* Who waited for this thread; again: for anybody. */
	page.pick = function (tid) {
		page.show({holder: page.shown.holder === tid ? null : tid, code: null});
	};

	page.blame = function (without) {
		const {holder, code} = page.shown;

		return data.blame.filter((pair) => page.isOf(pair, page.lock()) && (holder === null || pair.holder === holder) &&
			(!code || code.kind === without || code.pairs.has(pair)));
	};

	function makeControls() {
		const {make} = page, controls = document.getElementById("controls"), state = make("span", {role: "status", id: "filter"});
		const clear = make("button", {type: "button", id: "clear", click: () => page.show({holder: null, code: null})},
			"Show all");
		const select = make("select", {id: "lock", change: () =>
			page.show({lock: +select.value, holder: null, code: null})},
			...data.gils.map((lock, i) => make("option", {value: i}, page.lockName(lock))));

		if (data.gils.length > 1)
			controls.append(make("label", {}, "Lock: ", select));
		controls.append(state, clear);
		document.addEventListener("keydown", (event) => {
			if (event.key === "Escape" && (page.shown.holder !== null || page.shown.code))
				page.show({holder: null, code: null});
		});
		return () => {
			const {holder, code} = page.shown;

			select.value = page.shown.lock;
			clear.hidden = holder === null && !code;
			state.textContent = holder !== null ? "Only: who waited for " + page.threadName(page.lock(), holder) :
				code ? "Only: " + (code.kind === "wait" ? "waits of " : "who waited for ") + code.label :
					"Click a holder to see who waited for it.";
		};
	}

	/* Threads' names in the table that is there already become buttons. */
	function makeThreads() {
		const rows = Array.from(document.querySelectorAll("#threads tr[data-lane]"));
		const parts = Array.from(document.querySelectorAll("#threads [data-lock]"));

		rows.forEach((row) => {
			const cell = row.querySelector("th"), thread = data.threads[+row.dataset.lane], name = cell.textContent;

			cell.textContent = "";
			cell.append(page.make("button", {type: "button", click: () => {
				page.show({lock: data.gils.findIndex((lock) => page.isOf(thread, lock))});
				page.pick(thread.tid);
			}}, name || "(no name)"));
		});
		return () => {
			parts.forEach((part) => { part.hidden = +part.dataset.lock !== page.shown.lock; });
			rows.forEach((row) => {
				const thread = data.threads[+row.dataset.lane];

				row.classList.toggle("picked", thread.tid === page.shown.holder && page.isOf(thread, page.lock()));
			});
		};
	}

	function worstLock() {
		let worst = 0;

		data.gils.forEach((lock, i) => {
			if (lock.waited_ns > data.gils[worst].waited_ns)
				worst = i;
		});
		return worst;
	}

	document.addEventListener("DOMContentLoaded", () => {
		data.threads.forEach((thread, i) => lanes.set(thread.process + " " + thread.gil + " " + thread.tid, i));
		page.shown.lock = worstLock();
		if (data.gils.length) {
			page.drawers.push(makeControls(), makeThreads());
			page.parts.forEach((part) => page.drawers.push(part()));
			page.show({});
		}
		window.addEventListener("beforeprint", () =>
			document.querySelectorAll("section:not(#text) > details").forEach((twin) => { twin.open = true; }));
		document.documentElement.dataset.ready = "1";
	});
	return page;
})();
