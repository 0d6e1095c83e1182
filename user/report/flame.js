/*
 * The interactive part of a flame graph. Everything it knows it reads from the document: figures from the table in
 * #figures, names from there or from the titles of what is drawn; names only ever become text. It asks nobody for
 * anything.
 *
 * A zoom has to be fast with tens of thousands of frames, so it touches few elements. Boxes stand in a drawing of their
 * own (#graph) at fixed places, and a zoom changes which part of it is seen, by its viewBox. What has to keep its shape
 * is made anew for each view, over it: labels, edges, textures, and marks where frames are too narrow for an element.
 * Those get theirs (#made) when a zoom makes them wide enough.
 *
 * The state (zoom, search, switches) is in the URL's fragment, so that a view can be linked to and "back" goes back.
 */
(function () {
	"use strict";

	var SVG = "http://www.w3.org/2000/svg", HTML = "http://www.w3.org/1999/xhtml";
	var MARGIN = 12, HEAD = 112, BAR = 40, ROW = 20;
	var NARROWEST = 0.5, NARROW_GAP = 0.25, LEFT_OUT = 0.1, EDGED = 3, FEWEST = 3;
	var UNITS = 1176;  /* how wide #graph is, in its own units */
	var DEEPEST = 256; /* so far the 7 digits of a place in #graph are enough for a zoom */

	var svg = document.currentScript ? document.currentScript.ownerSVGElement : document.documentElement;
	var counted = svg.getAttribute("data-counted"), unit = svg.getAttribute("data-unit");
	var graph = part("graph"), drawn = part("drawn"), made = part("made"), labels = part("labels");
	var ofTwo = svg.hasAttribute("data-of-two"), frames = readFrames();
	var rowsInFile = frames.reduce(function (most, frame) {
		return frame.upper ? most : Math.max(most, frame.level);
	}, 1);
	var hasWall = svg.hasAttribute("data-has-wall");
	var hasWaiters = frames.some(function (frame) { return frame.upper; });
	var state = {zoom: 0, search: "", icicle: false, wall: false, waiters: false};
	var width = 0, character = 7.3, current = 0, tallest = 0, startsOfWall, dressed = [], hushed, controls = {}, tip, tipBox;

	/* ---- what there is ---- */

	function part(id) {
		return svg.querySelector("#" + id);
	}

	/* A line of the table for each frame: see write_figures() in flame_frames.c. */
	function readFrames() {
		var next = drawn.firstElementChild;

		return part("figures").textContent.slice(1).split("\n").map(function (line, index) {
			var field = line.split("\t"), fixed = field.length < 6 ? next : null, frame = {
				index: index, kind: field[0], upper: field[0][0] === "u", level: +field[1],
				ns: +field[2], count: +field[3], wall: +(!ofTwo && field[4] || field[2]), after: +field[4], names: fixed ? null : field.slice(5),
				fixed: fixed, own: null, element: fixed, text: null, at: "",
				parent: null, end: 0, start: NaN, left: NaN, width: NaN, top: 0,
				below: false, seen: true, shown: true, matches: false
			};

			if (fixed) {
				fixed.frame = frame;
				next = fixed.nextElementSibling;
			}
			return frame;
		});
	}

	function readNames(frame) {
		var lines;

		if (!frame.names) {
			lines = frame.fixed.textContent.split("\n");
			frame.names = [lines[0], lines[2]];
		}
		return frame.names;
	}

	function label(frame) {
		return readNames(frame)[0];
	}

	function site(frame) {
		return readNames(frame)[1];
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

	/* Where each begins. Waiters have their place whether they are shown or not, so that nothing else moves. */
	function findStarts() {
		var next = new Float64Array(frames.length);

		frames.forEach(function (frame) {
			frame.start = frame.parent ? next[frame.parent.index] : 0;
			if (frame.parent)
				next[frame.parent.index] += weight(frame);
			next[frame.index] = frame.start;
		});
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
		var most = Math.floor((room - 8) / character), name = label(frame);

		if (most < FEWEST)
			return "";
		if (columns(name) <= most)
			return name;
		name = /^l/.test(frame.kind) || (ofTwo && /^line \d+$/.test(name)) ? name.replace("line ", ":") : name.replace(/ \([^()]*\)$/, "");
		return columns(name) <= most ? name : cut(name, most);
	}

	/* ---- drawing ---- */

	function isAncestor(frame, of) {
		return frame.index < of.index && frame.end >= of.end;
	}

	/* Gives each frame its place in the window. Returns how many rows there are. */
	function place() {
		var root = frames[state.zoom], room = width - 2 * MARGIN, scale = room / (weight(root) || 1), rows = 1;

		frames.forEach(function (frame) {
			var below = isAncestor(frame, root), within = frame.index >= root.index && frame.index < root.end;

			frame.below = below;
			frame.seen = below || (within && (state.waiters || !frame.upper));
			frame.left = MARGIN + (below ? 0 : (frame.start - root.start) * scale);
			frame.width = below || frame === root ? room : weight(frame) * scale;
			frame.shown = frame.seen && frame.width >= NARROWEST;
			if (frame.seen && frame.width >= LEFT_OUT && frame.level > rows)
				rows = frame.level;
		});
		return rows;
	}

	function create(name, attributes) {
		var element = document.createElementNS(SVG, name);

		Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
		return element;
	}

	/* Of two traces: what it had in each. The table has those in place of a count and a time by the clock. */
	function sides(frame) {
		var before = frame.count, change = 100 * (frame.after / before - 1);

		return "before " + time(before) + ", after " + time(frame.after) + " " + unit +
			(before && frame.after ? ": " + (change < 0 ? "" : "+") + change.toFixed(0) + " %" : "");
	}

	function figures(frame) {
		return ofTwo ? sides(frame) : time(frame.ns) + ", " + percent(frame.ns, frames[0].ns) + ", " + frame.count + " " +
			counted + (hasWall ? "; by the clock " + time(frame.wall) : "");
	}

	/* The same as in the file. */
	function make(frame) {
		var title = create("title", {});

		title.textContent = label(frame) + "\n" + figures(frame) + "\n" + site(frame);
		frame.own = create("polygon", {"class": frame.kind});
		frame.own.appendChild(title);
		frame.own.frame = frame;
		frame.at = "";
		return frame.own;
	}

	function unmake(frame) {
		made.removeChild(frame.own);
		frame.own = null;
	}

	/* Puts a frame that was made where those of the file have theirs, counted from where `base` begins. What is below the
	 * zoomed frame is as wide as that: so no number is large. */
	function put(frame, base, scale) {
		var place = frame.below ? frames[state.zoom] : frame, left = (place.start - base.start) * scale;
		var right = left + (weight(place) * scale || UNITS), top = (rowsInFile - frame.level) * ROW, bottom = top + ROW - 1;
		var points = [left, top, right, top, right, bottom, left, bottom].map(function (number) {
			return number.toFixed(3);
		}).join(" ");

		if (frame.at !== points)
			frame.own.setAttribute("points", points);
		frame.at = points;
	}

	/*
	 * The elements of the file do as long as they hold: not for other weights, and for no deeper zoom than they are
	 * exact for. Then those that are seen are made, and count from what is zoomed.
	 */
	function drawFrames(rows) {
		var all = frames[0], root = frames[state.zoom], base = weight(all) <= DEEPEST * weight(root) ? all : root;
		var scale = UNITS / (weight(base) || 1), holds = base === all && !state.wall;
		var news = document.createDocumentFragment();

		drawn.style.display = holds ? "" : "none";
		frames.forEach(function (frame) {
			frame.element = holds ? frame.fixed : null;
			if (!frame.element && frame.shown) {
				if (!frame.own)
					news.appendChild(make(frame));
				put(frame, base, scale);
			} else if (frame.own) {
				unmake(frame);
			}
			frame.element = frame.element || frame.own;
		});
		made.appendChild(news);
		look((root.start - base.start) * scale, weight(root) * scale || UNITS, rows);
	}

	/* At a part of the graph, over the full width. */
	function look(left, across, rows) {
		var above = state.icicle ? 0 : (rowsInFile - rows) * ROW;

		graph.setAttribute("viewBox", left + " " + above + " " + across + " " + rows * ROW);
		graph.setAttribute("y", HEAD + BAR);
		graph.setAttribute("width", width - 2 * MARGIN);
		graph.setAttribute("height", rows * ROW);
		part("frames").setAttribute("transform", state.icicle ? "matrix(1 0 0 -1 0 " + (rowsInFile * ROW - 1) + ")" : "");
	}

	function boxPath(left, top, across) {
		return "M" + left.toFixed(2) + " " + top + "h" + across.toFixed(2) + "v" + (ROW - 1) + "h-" + across.toFixed(2) + "z";
	}

	/* A path over what is too narrow for elements and passes a test: what stands side by side is one mark. */
	function narrow(test) {
		var last = [], marks = [];

		frames.forEach(function (frame) {
			var mark = last[frame.level];

			if (!frame.seen || frame.element || !test(frame))
				return;
			if (!mark || frame.left > mark.end + NARROW_GAP) {
				mark = last[frame.level] = {begin: frame.left, end: 0, top: frame.top};
				marks.push(mark);
			}
			mark.end = frame.left + frame.width;
		});
		return marks.map(function (mark) {
			return mark.end - mark.begin < NARROW_GAP ? "" : boxPath(mark.begin, mark.top, mark.end - mark.begin);
		}).join("");
	}

	/* What is drawn over each frame that is wide enough, in one path. */
	function over(draw) {
		return frames.map(function (frame) {
			return frame.shown && frame.width >= EDGED ? draw(frame) : "";
		}).join("");
	}

	function edge(frame) {
		return "M" + frame.left.toFixed(2) + " " + frame.top + "v" + (ROW - 1);
	}

	function texture(letter) {
		return over(function (frame) {
			return frame.kind.charAt(frame.upper ? 2 : 0) === letter ? boxPath(frame.left, frame.top, frame.width) : "";
		});
	}

	function drawPaths(group) {
		function add(classes, path) {
			group.appendChild(create("path", {"class": classes, d: path}));
		}

		add("narrow", narrow(function () { return true; }));
		if (state.search)
			add("narrow match", narrow(function (frame) { return frame.matches; }));
		add("hatch", texture(ofTwo ? "g" : "n"));
		add("dots", texture(ofTwo ? "a" : "k"));
		add("edges", over(edge));
	}

	/* What lies over the boxes. */
	function drawLabels() {
		var news = document.createDocumentFragment();

		drawPaths(news);
		frames.forEach(function (frame) {
			var words = frame.shown && frame.width > FEWEST * character ? fit(frame, frame.width) : "";

			frame.text = words ? create("text", {"class": frame.kind, x: (frame.left + 4).toFixed(2), y: frame.top + 14}) : null;
			if (words)
				news.appendChild(frame.text).textContent = words;
		});
		labels.removeAttribute("transform");
		labels.textContent = "";
		labels.appendChild(news);
	}

	function mark(frame, name) {
		[frame.element, frame.text].forEach(function (element) {
			if (element) {
				element.classList.add(name);
				dressed.push({element: element, name: name});
			}
		});
	}

	/* What is below the zoomed frame, and what was searched. */
	function dress() {
		dressed.splice(0).forEach(function (one) { one.element.classList.remove(one.name); });
		frames.forEach(function (frame) {
			if (frame.below)
				mark(frame, "below");
			if (frame.matches)
				mark(frame, "match");
		});
		svg.classList.toggle("searching", !!state.search);
	}

	/* A change of the whole drawing's size costs more than all else, so it does not shrink for a zoom. */
	function grow(height) {
		if (height > tallest)
			svg.setAttribute("height", height);
		tallest = Math.max(height, tallest);
	}

	function draw() {
		var rows;

		if (startsOfWall !== state.wall)
			findStarts();
		startsOfWall = state.wall;
		rows = place();
		frames.forEach(function (frame) {
			frame.top = HEAD + BAR + (state.icicle ? frame.level - 1 : rows - frame.level) * ROW;
		});
		grow(HEAD + BAR + rows * ROW + MARGIN);
		drawFrames(rows);
		drawLabels();
		dress();
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
		var wanted = pattern();

		frames.forEach(function (frame) {
			frame.matches = !!wanted && (wanted.test(label(frame)) || wanted.test(site(frame)));
		});
		controls.search.setAttribute("aria-invalid", wanted === undefined ? "true" : "false");
		tell(wanted === undefined ? "no regular expression" : wanted ? found() : "");
	}

	function found() {
		var count = frames.filter(function (frame) { return frame.matches && (state.waiters || !frame.upper); }).length;

		return count + (count === 1 ? " frame, " : " frames, ") + time(matched()) + ", " +
			percent(matched(), weight(frames[state.zoom]));
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
		search();
		draw();
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

	function fillFigures(frame) {
		var all = frames[0], root = frames[state.zoom];

		addLine(time(frame.ns) + " " + unit + ": " + percent(frame.ns, all.ns) + " of all" +
			(state.zoom && !isAncestor(frame, root) ? ", " + percent(weight(frame), weight(root)) + " of what is zoomed" : ""));
		if (hasWall)
			addLine(time(frame.wall) + " by the clock: " + percent(frame.wall, all.wall) + " of all");
		addLine(frame.count + " " + (frame.count === 1 ? counted.replace(/s$/, "") : counted));
	}

	function fillTip(frame) {
		tipBox.textContent = "";
		addLine(label(frame), "b");
		if (ofTwo)
			addLine(sides(frame));
		else
			fillFigures(frame);
		if (site(frame))
			addLine(site(frame)).setAttribute("class", "minor");
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

	/* The browser's own tip would cover ours; without a title the name is in the label. */
	function hushTitle(element) {
		speakTitle();
		readNames(element.frame);
		hushed = {element: element, title: element.firstElementChild};
		element.setAttribute("aria-label", element.textContent);
		element.removeChild(hushed.title);
	}

	function speakTitle() {
		if (!hushed)
			return;
		hushed.element.appendChild(hushed.title);
		hushed.element.removeAttribute("aria-label");
		hushed = null;
	}

	/* One frame is in the order of Tab: the one that was left, or what is zoomed. */
	function keepFocusable() {
		if (!frames[current].shown)
			current = state.zoom;
		if (controls.focusable && controls.focusable !== frames[current].element)
			controls.focusable.removeAttribute("tabindex");
		controls.focusable = frames[current].element;
		controls.focusable.setAttribute("role", "treeitem");
		controls.focusable.setAttribute("aria-level", frames[current].level);
		controls.focusable.setAttribute("tabindex", "0");
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

	/* To the first that is seen, or else to what a zoom shows. */
	function goToMatch() {
		var frame = frames.find(function (frame) { return frame.matches && frame.shown; }) ||
			frames.find(function (frame) { return frame.matches && (state.waiters || !frame.upper); });

		if (frame && !frame.shown)
			zoom(frame);
		focus(frame);
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
		var typing = event.target === controls.search, frame = event.target.frame, taken = true;

		if (event.key === "Escape")
			escape();
		else if (typing && event.key === "Enter")
			goToMatch();
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
		var group = part("frames");

		group.addEventListener("click", function (event) {
			var frame = event.target.frame;

			if (frame)
				zoom(frame);
		});
		group.addEventListener("mousemove", function (event) {
			var frame = event.target.frame, box = svg.getBoundingClientRect();

			if (frame)
				showTip(frame, event.clientX - box.left, event.clientY - box.top);
		});
		group.addEventListener("mouseover", function (event) {
			if (event.target.frame)
				hushTitle(event.target);
		});
		group.addEventListener("mouseout", function () {
			speakTitle();
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
		part("legend").appendChild(probe);
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
	svg.removeAttribute("viewBox");
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
