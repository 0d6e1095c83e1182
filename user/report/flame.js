/*
 * The interactive part of a flame graph. Everything it knows it reads from the elements: figures from their attributes,
 * names from their titles; names only ever become text. It asks nobody for anything.
 *
 * The state (zoom, search, switches) is in the URL's fragment, so that a view can be linked to and "back" goes back.
 */
(function () {
	"use strict";

	var SVG = "http://www.w3.org/2000/svg", HTML = "http://www.w3.org/1999/xhtml";
	var MARGIN = 12, HEAD = 112, BAR = 40, ROW = 20, NARROWEST = 0.1, FEWEST = 3;

	var svg = document.currentScript ? document.currentScript.ownerSVGElement : document.documentElement;
	var elements = Array.prototype.slice.call(svg.querySelectorAll("#frames > g"));
	var counted = svg.getAttribute("data-counted"), unit = svg.getAttribute("data-unit");
	var frames = elements.map(read);
	var hasWall = svg.hasAttribute("data-has-wall");
	var hasWaiters = frames.some(function (frame) { return frame.upper; });
	var state = {zoom: 0, search: "", icicle: false, wall: false, waiters: false};
	var width = 0, character = 7.3, current = 0, controls = {}, tip, tipBox;

	/* ---- what there is ---- */

	function read(element, index) {
		var title = element.firstElementChild, lines = title.textContent.split("\n");

		return {
			index: index, element: element, title: title, box: title.nextElementSibling,
			text: element.querySelector("text"), label: lines[0], place: lines[2] || "",
			level: +element.getAttribute("aria-level"), upper: element.classList.contains("u"),
			line: /^l/.test(element.getAttribute("class")),
			ns: +element.getAttribute("data-ns"),
			wall: +(element.getAttribute("data-wall") || element.getAttribute("data-ns")),
			count: +element.getAttribute("data-count"),
			parent: null, end: 0, shown: true, left: 0, width: 0, top: 0, drawn: "", matches: false
		};
	}

	/* The frames stand in order, each before those that it called. */
	function findRelations() {
		var path = [];

		frames.forEach(function (frame) {
			while (path.length && path[path.length - 1].level >= frame.level)
				path.pop().end = frame.index;
			frame.parent = path.length ? path[path.length - 1] : null;
			path.push(frame);
		});
		path.forEach(function (frame) { frame.end = frames.length; });
	}

	function weight(frame) {
		return state.wall ? frame.wall : frame.ns;
	}

	/* ---- words ---- */

	function time(ns) {
		var units = [["s", 1e9], ["ms", 1e6], ["us", 1e3], ["ns", 1]], value, i;

		if (!ns)
			return "0";
		for (i = 0; i < 3 && ns < units[i][1] * 0.9995; i++)
			;
		value = ns / units[i][1];
		return (i === 3 || value >= 99.95 ? value.toFixed(0) : value < 9.995 ? value.toFixed(2) : value.toFixed(1)) +
			" " + units[i][0];
	}

	function percent(part, whole) {
		var value = whole ? 100 * part / whole : 0;

		return (value <= 0 ? "0" : value < 0.1 ? "<0.1" : value < 9.95 ? value.toFixed(1) : value.toFixed(0)) + " %";
	}

	/* Characters count by their columns: wide ones twice. */
	function columns(text) {
		var count = 0, i;

		for (i = 0; i < text.length; i++)
			count += text.charCodeAt(i) >= 0x1000 ? 2 : 1;
		return count;
	}

	function cut(text, most) {
		var characters = Array.from(text), kept = "";

		while (characters.length && columns(kept + characters[0]) < most)
			kept += characters.shift();
		return kept + "\u2026";
	}

	function fit(frame, room) {
		var most = Math.floor((room - 8) / character), name = frame.label;

		if (most < FEWEST)
			return "";
		if (columns(name) <= most)
			return name;
		name = frame.line ? name.replace("line ", ":") : name.replace(/ \([^()]*\)$/, "");
		return columns(name) <= most ? name : cut(name, most);
	}

	/* ---- drawing ---- */

	function isAncestor(frame, of) {
		return frame.index < of.index && frame.end >= of.end;
	}

	/* Gives each frame that is to be seen its place. Returns how many rows there are. */
	function place() {
		var root = frames[state.zoom], scale = weight(root) ? (width - 2 * MARGIN) / weight(root) : 0;
		var next = new Float64Array(frames.length), rows = 1;

		frames.forEach(function (frame) {
			var below = isAncestor(frame, root), within = frame.index >= root.index && frame.index < root.end;

			frame.shown = below || (within && (state.waiters || !frame.upper));
			if (below || frame === root) {
				frame.left = MARGIN;
				frame.width = width - 2 * MARGIN;
			} else if (frame.shown) {
				frame.left = next[frame.parent.index];
				frame.width = weight(frame) * scale;
				next[frame.parent.index] += frame.width;
				frame.shown = frame.width >= NARROWEST;
			}
			next[frame.index] = frame.left;
			if (frame.shown && frame.level > rows)
				rows = frame.level;
		});
		return rows;
	}

	function set(frame, name, value) {
		if (frame[name] !== value) {
			frame[name] = value;
			return true;
		}
		return false;
	}

	function write(frame) {
		var label = fit(frame, frame.width);

		if (!set(frame, "drawn", label))
			return;
		if (!frame.text) {
			frame.text = document.createElementNS(SVG, "text");
			frame.text.setAttribute("x", 4);
			frame.text.setAttribute("y", 14);
			frame.element.appendChild(frame.text);
		}
		frame.text.textContent = label;
	}

	function draw() {
		var rows = place(), top = HEAD + BAR, height = top + rows * ROW + MARGIN, root = frames[state.zoom];

		svg.setAttribute("viewBox", "0 0 " + width + " " + height);
		svg.setAttribute("height", height);
		svg.classList.toggle("waiters", state.waiters);
		frames.forEach(function (frame) {
			var row = frame.level - 1;

			if (set(frame, "hidden", !frame.shown))
				frame.element.style.display = frame.shown ? "" : "none";
			if (!frame.shown)
				return;
			frame.top = top + (state.icicle ? row : rows - 1 - row) * ROW;
			if (set(frame, "at", frame.left.toFixed(2) + " " + frame.top))
				frame.element.setAttribute("transform", "translate(" + frame.at + ")");
			if (set(frame, "across", Math.max(frame.width, 0.1).toFixed(2)))
				frame.box.setAttribute("width", frame.across);
			if (set(frame, "below", isAncestor(frame, root)))
				frame.element.classList.toggle("below", frame.below);
			write(frame);
		});
		keepFocusable();
	}

	/* ---- search ---- */

	function pattern() {
		if (!state.search)
			return null;
		try {
			return new RegExp(state.search, "i");
		} catch (problem) {
			return undefined;
		}
	}

	/* The time of all that matches: what is within a match is counted with it. */
	function matched() {
		var root = frames[state.zoom], sum = 0, i = root.index;

		while (i < root.end) {
			var frame = frames[i];

			if (frame.matches && (state.waiters || !frame.upper)) {
				sum += weight(frame);
				i = frame.end;
			} else {
				i++;
			}
		}
		return sum;
	}

	function search() {
		var wanted = pattern(), count = 0;

		frames.forEach(function (frame) {
			var matches = !!wanted && (wanted.test(frame.label) || wanted.test(frame.place));

			if (set(frame, "matches", matches))
				frame.element.classList.toggle("match", matches);
			count += matches && (state.waiters || !frame.upper);
		});
		svg.classList.toggle("searching", !!state.search);
		if (controls.search) {
			controls.search.setAttribute("aria-invalid", wanted === undefined ? "true" : "false");
			tell(wanted === undefined ? "no regular expression" : !wanted ? "" :
				count + (count === 1 ? " frame, " : " frames, ") + time(matched()) + ", " +
				percent(matched(), weight(frames[state.zoom])));
		}
	}

	function tell(message) {
		if (controls.matched.textContent !== message)
			controls.matched.textContent = message;
	}

	/* ---- the state, and the URL ---- */

	function fragment() {
		var parts = [];

		if (state.zoom)
			parts.push("zoom=" + state.zoom);
		if (state.search)
			parts.push("search=" + encodeURIComponent(state.search));
		["icicle", "wall", "waiters"].forEach(function (name) {
			if (state[name])
				parts.push(name + "=1");
		});
		return "#" + parts.join("&");
	}

	/* What is no state of this graph is taken as none. */
	function readFragment() {
		var found = {};

		location.hash.replace(/^#/, "").split("&").forEach(function (part) {
			var at = part.indexOf("=");

			if (at < 0)
				return;
			try {
				found[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1));
			} catch (problem) {
				found[part.slice(0, at)] = part.slice(at + 1);
			}
		});
		state.zoom = frames[+found.zoom] ? +found.zoom : 0;
		state.search = found.search || "";
		state.icicle = found.icicle === "1";
		state.wall = found.wall === "1" && hasWall;
		state.waiters = found.waiters === "1" && hasWaiters;
		if (frames[state.zoom].upper)
			state.waiters = true;
	}

	/* Typing in the search field is one step back, not one a letter. */
	function store(replace) {
		if (fragment() === (location.hash || "#"))
			return;
		try {
			history[replace ? "replaceState" : "pushState"](null, "", fragment());
		} catch (problem) { /* a page in a sandbox has no history */ }
	}

	function show() {
		draw();
		search();
		showControls();
	}

	function change(name, value, replace) {
		state[name] = value;
		if (!state.waiters && frames[state.zoom].upper)
			state.zoom = 0;
		store(replace);
		show();
	}

	function zoom(frame) {
		current = frame.index;
		hideTip();
		change("zoom", frame.index);
	}

	/* ---- the bar ---- */

	function html(name, attributes, text) {
		var element = document.createElementNS(HTML, name);

		Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
		element.textContent = text || "";
		return element;
	}

	function foreign(id) {
		var element = document.createElementNS(SVG, "foreignObject");

		element.setAttribute("id", id);
		svg.appendChild(element);
		return element;
	}

	function addButton(bar, name, text, title, act) {
		var button = html("button", {type: "button", title: title, id: name}, text);

		button.addEventListener("click", act);
		bar.appendChild(button);
		controls[name] = button;
	}

	function addSwitch(bar, name, text, title) {
		addButton(bar, name, text, title, function () { change(name, !state[name]); });
	}

	function makeBar() {
		var bar = html("div", {"class": "bar", role: "toolbar", "aria-label": "View"});

		controls.tools = foreign("tools");
		controls.tools.setAttribute("x", MARGIN);
		controls.tools.setAttribute("height", 32);
		controls.search = html("input", {type: "search", id: "search", placeholder: "Search: regular expression",
			"aria-label": "Search frames by a regular expression", spellcheck: "false", autocomplete: "off"});
		controls.search.addEventListener("input", function () {
			var begun = !!state.search;

			change("search", controls.search.value, begun);
		});
		bar.appendChild(controls.search);
		addButton(bar, "reset", "Reset zoom", "Show everything again (Escape)", function () { zoom(frames[0]); });
		addSwitch(bar, "icicle", "Icicle", "Hang the graph from its root");
		if (hasWaiters)
			addSwitch(bar, "waiters", "Waiters", "Show above each holder's stack who waited for it, and where");
		if (hasWall)
			addSwitch(bar, "wall", "By the clock", "Widths by the time in which anybody waited, however many did");
		controls.matched = html("output", {role: "status", "aria-live": "polite", id: "matched"});
		bar.appendChild(controls.matched);
		controls.tools.appendChild(bar);
	}

	function showControls() {
		if (controls.search.value !== state.search)
			controls.search.value = state.search;
		controls.reset.disabled = !state.zoom;
		["icicle", "waiters", "wall"].forEach(function (name) {
			if (controls[name])
				controls[name].setAttribute("aria-pressed", state[name] ? "true" : "false");
		});
		placeBar();
	}

	/* It stays in sight. */
	function placeBar() {
		var above = -svg.getBoundingClientRect().top;

		controls.tools.setAttribute("width", width - 2 * MARGIN);
		controls.tools.setAttribute("y", Math.max(HEAD - 4, above + 6));
	}

	/* ---- the tip ---- */

	function addLine(text, name) {
		if (text)
			tipBox.appendChild(html(name || "span", {}, text));
		return tipBox.lastChild;
	}

	function fillTip(frame) {
		var all = frames[0], root = frames[state.zoom];

		tipBox.textContent = "";
		addLine(frame.label, "b");
		addLine(time(frame.ns) + " " + unit + ": " + percent(frame.ns, all.ns) + " of all" +
			(state.zoom && !isAncestor(frame, root) ? ", " + percent(weight(frame), weight(root)) + " of what is zoomed" : ""));
		if (hasWall)
			addLine(time(frame.wall) + " by the clock: " + percent(frame.wall, all.wall) + " of all");
		addLine(frame.count + " " + (frame.count === 1 ? counted.replace(/s$/, "") : counted));
		if (frame.place)
			addLine(frame.place).setAttribute("class", "minor");
	}

	/* Near the point, and within the window. */
	function showTip(frame, x, y) {
		var box, above = Math.max(0, -svg.getBoundingClientRect().top);

		fillTip(frame);
		tip.style.display = "";
		tip.setAttribute("width", Math.min(490, width));
		tip.setAttribute("height", 10);
		box = tipBox.getBoundingClientRect();
		x = Math.max(4, Math.min(x + 14, width - box.width - 8));
		y = y + 18 + box.height > above + window.innerHeight ? y - box.height - 10 : y + 18;
		tip.setAttribute("x", x);
		tip.setAttribute("y", Math.max(above + 4, y));
	}

	function hideTip() {
		tip.style.display = "none";
	}

	function makeTip() {
		tip = foreign("tip");
		tip.setAttribute("aria-hidden", "true");
		tipBox = html("div", {"class": "tip"});
		tip.appendChild(tipBox);
		hideTip();
	}

	/* ---- pointer and keyboard ---- */

	function frameOf(event) {
		var element = event.target.closest ? event.target.closest("#frames > g") : null;

		return element ? frames[elements.indexOf(element)] : null;
	}

	/* The browser's own tip would cover ours; without a title the name is in the label. */
	function hushTitle(frame) {
		if (frame.title.parentNode) {
			frame.element.setAttribute("aria-label", frame.title.textContent);
			frame.element.removeChild(frame.title);
		}
	}

	function speakTitle(frame) {
		if (!frame.title.parentNode) {
			frame.element.insertBefore(frame.title, frame.element.firstChild);
			frame.element.removeAttribute("aria-label");
		}
	}

	/* One frame is in the order of Tab: the one that was left, or what is zoomed. */
	function keepFocusable() {
		if (!frames[current].shown)
			current = state.zoom;
		if (controls.focusable && controls.focusable !== frames[current])
			controls.focusable.element.removeAttribute("tabindex");
		controls.focusable = frames[current];
		frames[current].element.setAttribute("tabindex", "0");
	}

	function focus(frame) {
		if (!frame)
			return;
		current = frame.index;
		keepFocusable();
		frame.element.focus({preventScroll: true});
		bring(frame);
		showTip(frame, frame.left + Math.min(frame.width / 2, 80), frame.top + 6);
	}

	/* Scrolls a frame into sight. */
	function bring(frame) {
		var y = frame.top + svg.getBoundingClientRect().top;

		if (y < 60 || y > window.innerHeight - 2 * ROW)
			window.scrollBy(0, y - window.innerHeight / 2);
	}

	/* The widest frame that this one called. */
	function called(frame) {
		var widest = null, i;

		for (i = frame.index + 1; i < frame.end; i++)
			if (frames[i].parent === frame && frames[i].shown && (!widest || frames[i].width > widest.width))
				widest = frames[i];
		return widest;
	}

	/* The next frame of the same row. */
	function beside(frame, step) {
		var i;

		for (i = frame.index + step; i >= 0 && i < frames.length; i += step)
			if (frames[i].shown && frames[i].level === frame.level)
				return frames[i];
		return null;
	}

	function first() {
		return frames.find(function (frame) { return frame.matches && frame.shown; });
	}

	function move(event, frame) {
		var up = state.icicle ? frame.parent : called(frame), down = state.icicle ? called(frame) : frame.parent;

		switch (event.key) {
		case "ArrowUp": focus(up); break;
		case "ArrowDown": focus(down); break;
		case "ArrowLeft": focus(beside(frame, -1)); break;
		case "ArrowRight": focus(beside(frame, 1)); break;
		case "Home": focus(frames[state.zoom]); break;
		case "Enter": case " ": zoom(frame); focus(frame); break;
		default: return false;
		}
		return true;
	}

	function escape() {
		hideTip();
		if (state.search)
			change("search", "");
		else if (state.zoom)
			zoom(frames[0]);
	}

	function onKey(event) {
		var typing = event.target === controls.search, frame = frameOf(event), taken = true;

		if (event.key === "Escape")
			escape();
		else if (typing && event.key === "Enter")
			focus(first());
		else if (!typing && ((event.key === "/" && !event.ctrlKey && !event.metaKey) ||
				(event.key === "f" && (event.ctrlKey || event.metaKey))))
			controls.search.focus();
		else if (frame && !event.ctrlKey && !event.metaKey && !event.altKey)
			taken = move(event, frame);
		else
			taken = false;
		if (taken)
			event.preventDefault();
	}

	function listen() {
		var group = svg.querySelector("#frames");

		group.addEventListener("click", function (event) {
			var frame = frameOf(event);

			if (frame)
				zoom(frame);
		});
		group.addEventListener("mousemove", function (event) {
			var frame = frameOf(event), box = svg.getBoundingClientRect();

			if (frame)
				showTip(frame, event.clientX - box.left, event.clientY - box.top);
		});
		group.addEventListener("mouseover", function (event) {
			var frame = frameOf(event);

			if (frame)
				hushTitle(frame);
		});
		group.addEventListener("mouseout", function (event) {
			var frame = frameOf(event);

			if (frame)
				speakTitle(frame);
			hideTip();
		});
		group.addEventListener("focusout", hideTip);
		document.addEventListener("keydown", onKey);
		window.addEventListener("scroll", placeBar, {passive: true});
		window.addEventListener("resize", resize);
		window.addEventListener("popstate", follow);
		window.addEventListener("hashchange", follow);
	}

	function follow() {
		readFragment();
		show();
	}

	/* ---- the beginning ---- */

	function measure() {
		var probe = document.createElementNS(SVG, "text"), length;

		probe.textContent = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
		svg.querySelector("#legend > g").appendChild(probe);
		length = probe.getComputedTextLength();
		probe.parentNode.removeChild(probe);
		if (length)
			character = length / 40 * 1.01;
	}

	function resize() {
		var now = Math.max(320, Math.floor(svg.getBoundingClientRect().width));

		if (now === width)
			return;
		width = now;
		show();
	}

	svg.setAttribute("width", "100%");
	findRelations();
	measure();
	makeBar();
	makeTip();
	readFragment();
	listen();
	resize();
	svg.classList.remove("loading");
	svg.setAttribute("data-ready", "1");
}());
