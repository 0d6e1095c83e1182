/*
 * The three flame graphs, the root on top: who had the lock while others waited (blame), who waited (wait), and where the
 * lock was let go (hold). They are linked: code that is chosen in one of the first two is what the other and the matrix
 * are about; so is a thread that is chosen as the holder.
 */
(function (page) {
	"use strict";

	const {make, time, percent, data, KINDS} = page;
	const ROW = 20, NARROWEST = 0.5, LABELLED = 28, MOST_ELEMENTS = 4000, LISTED = 100;
	const GRAPHS = [
		{kind: "blame", title: "Who blocked whom", of: "of waiting", counted: "waits",
			hint: "Code that had the lock; width: how long others waited meanwhile. Click it: who waited for it."},
		{kind: "wait", title: "Who waited", of: "of waiting", counted: "waits",
			hint: "Code that waited; width: how long. Click it: whom it waited for."},
		{kind: "hold", title: "Who held the lock", of: "of holding", counted: "releases",
			hint: "Code that let the lock go; width: how long it had been held until then."}
	];
	const functions = numberFunctions();

	/* Frames that differ in their line only are one function: a number each, -1 - line for a line. */
	function numberFunctions() {
		const known = new Map();

		return data.frames.map(([name, file, , kind]) => {
			const key = kind + "\n" + name + "\n" + file;

			if (!known.has(key))
				known.set(key, known.size);
			return known.get(key);
		});
	}

	/* The way from the root: [function, frame] each; below a Python leaf the line that was executed. */
	function pathOf(stack) {
		const frames = data.stack_table[stack] || [], path = [];

		if (!frames.length)
			return [[Infinity, -1]];
		for (let i = frames.length - 1; i >= 0; i--)
			path.push([functions[frames[i]], frames[i]]);
		if (data.frames[frames[0]][3] === 0 && data.frames[frames[0]][2])
			path.push([-1 - data.frames[frames[0]][2], frames[0]]);
		return path;
	}

	function newNode(key, frame, parent) {
		return {key: key, frame: frame, parent: parent, depth: parent ? parent.depth + 1 : 0, ns: 0, self: 0, count: 0,
			below: new Map(), sorted: null};
	}

	function grow(entries) {
		const root = newNode("root", -1, null);

		entries.forEach(({stack, ns, count}) => {
			let node = root;

			root.ns += ns;
			root.count += count;
			pathOf(stack).forEach(([key, frame]) => {
				if (!node.below.has(key))
					node.below.set(key, newNode(key, frame, node));
				node = node.below.get(key);
				node.ns += ns;
				node.count += count;
			});
			node.self += ns;
		});
		return root;
	}

	function children(node) {
		if (!node.sorted)
			node.sorted = Array.from(node.below.values()).sort((a, b) => b.ns - a.ns);
		return node.sorted;
	}

	function keysOf(node) {
		const keys = [];

		for (; node.parent; node = node.parent)
			keys.unshift(node.key);
		return keys;
	}

	function find(root, keys) {
		let node = root;

		for (let i = 0; node && i < keys.length; i++)
			node = node.below.get(keys[i]);
		return node || root;
	}

	function kindOf(node) {
		return !node.parent ? "root" : node.key < 0 ? "line" : node.frame < 0 ? "note" : KINDS[data.frames[node.frame][3]];
	}

	function labelOf(node) {
		if (!node.parent)
			return "all";
		if (node.key < 0)
			return "line " + (-1 - node.key);
		return node.frame < 0 ? "[unknown stack]" : page.frameLabel(node.frame).replace(/:\d+\)$/, ")");
	}

	function entriesOf(kind) {
		if (kind === "hold")
			return page.ofLock(data.release_points)
				.filter((point) => page.shown.holder === null || point.tid === page.shown.holder)
				.map((point) => ({stack: point.stack, ns: point.held_ns, count: point.releases}));
		return page.blame(kind).map((pair) => ({pair: pair, stack: kind === "blame" ? pair.stack : pair.waiter_stack,
			ns: pair.wait_ns, count: pair.waits}));
	}

	function isBelow(stack, keys) {
		const path = pathOf(stack);

		return keys.every((key, i) => path[i] && path[i][0] === key);
	}

	/* What the others show when a graph is zoomed. */
	function choose(graph, node) {
		const keys = keysOf(node);

		graph.zoom = keys;
		if (graph.kind === "hold")
			return page.show({});
		if (!keys.length)
			return page.show({code: null});
		const pairs = entriesOf(graph.kind).filter((entry) => isBelow(entry.stack, keys)).map((entry) => entry.pair);
		return page.show({code: {kind: graph.kind, label: labelOf(node), pairs: new Set(pairs)}});
	}

	/* ---- drawing ---- */

	function element(graph, node, left, width, root) {
		const kind = kindOf(node), label = labelOf(node), pixels = width / 100 * graph.pixels;
		const figures = time(node.ns) + ", " + percent(node.ns, root.ns) + ", " + node.count + " " + graph.counted;
		const place = node.frame >= 0 ? data.frames[node.frame][1] || "" : "";
		const box = make("button", {type: "button", class: "frame " + kind + (pixels < LABELLED ? " narrow" : ""),
			tabindex: -1, role: "treeitem", "aria-level": node.depth + 1, "aria-label": label + ", " + figures,
			title: label + "\n" + figures + (place ? "\n" + kind + ", " + place : "")}, pixels < LABELLED ? "" : label);

		box.style.left = left + "%";
		box.style.width = width + "%";
		box.style.top = node.depth * ROW + "px";
		box.node = node;
		node.box = box;
		return box;
	}

	function fill(graph, root, zoomed, into) {
		const narrowest = 100 * NARROWEST / graph.pixels, above = [];
		let deepest = zoomed.depth, made = 0;

		for (let node = zoomed.parent; node; node = node.parent)
			above.unshift(node);
		above.forEach((node) => {
			into.append(element(graph, node, 0, 100, root));
			node.box.classList.add("above");
		});
		const todo = [[zoomed, 0, 100]];
		while (todo.length && made++ < MOST_ELEMENTS) {
			const [node, left, width] = todo.shift();
			let next = left;

			into.append(element(graph, node, left, width, root));
			deepest = Math.max(deepest, node.depth);
			children(node).forEach((child) => {
				const its = width * child.ns / (node.ns || 1);

				if (its >= narrowest)
					todo.push([child, next, its]);
				next += its;
			});
		}
		into.style.height = (deepest + 1) * ROW + "px";
	}

	function neighbour(box, step) {
		const level = box.getAttribute("aria-level"), all = Array.from(box.parentNode.children)
			.filter((other) => other.getAttribute("aria-level") === level);

		return all[all.indexOf(box) + step];
	}

	function move(event) {
		const box = event.target, node = box.node;
		let to = null;

		if (!node)
			return;
		if (event.key === "ArrowLeft" || event.key === "ArrowRight")
			to = neighbour(box, event.key === "ArrowLeft" ? -1 : 1);
		else if (event.key === "ArrowUp")
			to = node.parent && node.parent.box;
		else if (event.key === "ArrowDown")
			to = (children(node).find((child) => child.box && child.box.isConnected) || {}).box;
		else
			return;
		event.preventDefault();
		if (to) {
			box.tabIndex = -1;
			to.tabIndex = 0;
			to.focus();
		}
	}

	function functionTable(graph) {
		const sums = new Map();

		(function visit(node, onWay) {
			const isFunction = node.parent && !(node.key < 0), key = node.key;
			const first = isFunction && !onWay.has(key);

			if (first) {
				const sum = sums.get(key) || {label: labelOf(node), total: 0, self: 0};

				sum.total += node.ns;
				sums.set(key, sum);
				onWay.add(key);
			}
			if (isFunction)
				sums.get(key).self += node.self + children(node).reduce((sum, child) => sum + (child.key < 0 ? child.ns : 0), 0);
			children(node).forEach((child) => visit(child, onWay));
			if (first)
				onWay.delete(key);
		})(graph.root, new Set());
		return page.table(graph.title + ": functions", ["function", "itself", "with what it called", "share"],
			Array.from(sums.values()).sort((a, b) => b.total - a.total).slice(0, LISTED)
				.map((sum) => [sum.label, time(sum.self), time(sum.total), percent(sum.total, graph.root.ns)]), [0]);
	}

	function drawGraph(graph) {
		const hadFocus = graph.frames.contains(document.activeElement), root = grow(entriesOf(graph.kind));

		if (graph.kind !== "hold" && (!page.shown.code || page.shown.code.kind !== graph.kind))
			graph.zoom = [];
		graph.root = root;
		graph.pixels = graph.frames.clientWidth || 1100;
		graph.frames.replaceChildren();
		graph.about.textContent = root.ns ?
			time(root.ns) + " " + graph.of + " in " + root.count + " " + graph.counted + ". " + graph.hint :
			graph.kind === "hold" && !page.hasHolds() ? "Holds were not probed." : "No time " + graph.of + " was seen.";
		graph.frame.hidden = graph.twin.hidden = !root.ns;
		if (root.ns) {
			const zoomed = find(root, graph.zoom);

			fill(graph, root, zoomed, graph.frames);
			zoomed.box.tabIndex = 0;
			if (hadFocus)
				zoomed.box.focus();
		}
		graph.twin.renew();
	}

	page.parts.push(function () {
		const place = document.getElementById("flames"), graphs = GRAPHS.map((graph) => Object.assign({zoom: []}, graph));
		let width = window.innerWidth;

		place.append(make("h2", {}, "Code"));
		graphs.forEach((graph) => {
			graph.about = make("p", {class: "hint"});
			graph.frames = make("div", {class: "frames", role: "tree", "aria-label": graph.title, keydown: move,
				click: (event) => { if (event.target.node) choose(graph, event.target.node); }});
			graph.frame = make("div", {class: "flame", "data-kind": graph.kind}, graph.frames);
			graph.twin = page.twin("The functions as a table", () => functionTable(graph));
			place.append(make("div", {class: "graph"}, make("h3", {}, graph.title), graph.about, graph.frame, graph.twin));
		});
		window.addEventListener("resize", () => {
			if (window.innerWidth !== width)
				graphs.forEach(drawGraph);
			width = window.innerWidth;
		});
		return () => graphs.forEach(drawGraph);
	});
})(giltrace);
