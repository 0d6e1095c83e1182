/*
 * The timeline's picture: on top a row for the lock, in the colours of its holders; below a row for each thread, where
 * holds grow from the bottom and waits, paler, from the top.
 */
(function (page) {
	"use strict";

	const {data, timeline: view} = page, {GUTTER, AXIS, LOCK, ROW, GAP} = view;

	/* ---- drawing ---- */

	function colours() {
		const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
		const dark = matchMedia("(prefers-color-scheme: dark)").matches;

		return {paper: of("--card"), ink: of("--ink"), minor: of("--minor"), rule: of("--rule"), wait: of("--wait"),
			focus: of("--focus"), of: (row) => "hsl(" + (210 + row * 137.5) % 360 + " 55% " + (dark ? 62 : 46) + "%)"};
	}

	function ticks(from, to) {
		const rough = (to - from) / Math.max(2, view.width / 130), power = Math.pow(10, Math.floor(Math.log10(rough)));
		const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough), list = [];

		for (let at = Math.ceil(from / step) * step; at <= to; at += step)
			list.push(at);
		return {step: step, list: list};
	}

	/* A moment: as many digits as the step needs. */
	function moment(ns, step) {
		const [unit, size] = view.whole >= 1e9 ? ["s", 1e9] : ["ms", 1e6];
		const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / size) - 1e-9)));

		return (ns / size).toFixed(digits) + " " + unit;
	}

	function drawAxis(colour) {
		const {step, list} = ticks(view.from, view.to), scale = view.width / (view.to - view.from);
		const bottom = view.canvas.clientHeight;

		view.pen.fillStyle = colour.minor;
		view.pen.strokeStyle = colour.rule;
		view.pen.lineWidth = 1;
		list.forEach((at) => {
			const x = GUTTER + Math.round((at - view.from) * scale) + 0.5, label = moment(at, step);

			view.pen.beginPath();
			view.pen.moveTo(x, AXIS - 5);
			view.pen.lineTo(x, bottom);
			view.pen.stroke();
			if (x + view.pen.measureText(label).width < GUTTER + view.width)
				view.pen.fillText(label, x + 3, 14);
		});
	}

	/* Neighbours of the same height are one box. */
	function drawShares(source, base, top, height, fromTop, least) {
		for (let x = 0; x < view.width;) {
			const share = Math.min(1, source[base + x]), tall = Math.round(share * height * 2) / 2;
			let next = x + 1;

			while (next < view.width && Math.round(Math.min(1, source[base + next]) * height * 2) / 2 === tall &&
				(source[base + next] > 0) === (share > 0))
				next++;
			if (share > 0) {
				const drawn = Math.max(least, tall);

				view.pen.fillRect(GUTTER + x, fromTop ? top : top + height - drawn, next - x, drawn);
			}
			x = next;
		}
	}

	function isFaint(lane) {
		return page.shown.holder !== null && data.threads[lane].tid !== page.shown.holder;
	}

	function drawLock(colour) {
		const filled = new Float32Array(view.width), top = AXIS, height = LOCK - 6;

		view.lanes.forEach((lane, row) => {
			view.pen.fillStyle = colour.of(row);
			view.pen.globalAlpha = isFaint(lane) ? 0.25 : 1;
			for (let x = 0; x < view.width; x++) {
				const tall = Math.min(height - filled[x], view.held[row * view.width + x] * height);

				if (tall < 0.1)
					continue;
				let next = x + 1;
				while (next < view.width && tall === height && view.held[row * view.width + next] >= 1 && !filled[next])
					filled[next++] = height;
				view.pen.fillRect(GUTTER + x, top + height - filled[x] - tall, next - x, tall);
				filled[x] += tall;
				x = next - 1;
			}
		});
		view.pen.globalAlpha = 1;
		view.pen.fillStyle = colour.ink;
		view.pen.fillText("who has the lock", 8, top + 19);
	}

	function drawRows(colour) {
		for (let i = 0; i < view.rowsShown(); i++) {
			const row = view.top + i, lane = view.lanes[row], top = AXIS + LOCK + i * ROW, height = ROW - GAP;
			const thread = data.threads[lane];

			view.pen.globalAlpha = isFaint(lane) ? 0.2 : 0.4;
			view.pen.fillStyle = colour.wait;
			drawShares(view.waited, row * view.width, top, height, true, 1);
			view.pen.globalAlpha = isFaint(lane) ? 0.35 : 1;
			view.pen.fillStyle = colour.of(row);
			drawShares(view.held, row * view.width, top, height, false, 1);
			view.pen.globalAlpha = 1;
			view.pen.fillRect(2, top + 3, 4, height - 6);
			view.pen.fillStyle = colour.ink;
			view.pen.fillText(fitted((thread.name || "thread") + " " + thread.tid), 10, top + 13);
			view.pen.fillStyle = colour.rule;
			view.pen.fillRect(GUTTER, top + height + 1, view.width, 0.5);
		}
	}

	function fitted(text) {
		let characters = Array.from(text.slice(0, 40));

		while (characters.length > 1 && view.pen.measureText(characters.join("")).width > GUTTER - 16)
			characters = characters.slice(0, -1);
		return characters.join("");
	}

	/* Where holds follow each other, and what was picked. */
	function drawEdges(colour) {
		const scale = view.width / (view.to - view.from), rowOf = new Map(view.lanes.map((lane, row) => [lane, row]));

		view.pen.fillStyle = colour.paper;
		view.ready.forEach(({events: {count, lane, start, end}}) => {
			for (let i = 0; i < count; i++) {
				const row = (rowOf.get(lane[i]) || 0) - view.top;

				if ((end[i] - start[i]) * scale < 5 || end[i] < view.from || end[i] > view.to ||
					row < 0 || row >= view.rowsShown())
					continue;
				view.pen.fillRect(GUTTER + (end[i] - view.from) * scale - 0.5, AXIS + LOCK + row * ROW, 1, ROW - GAP);
			}
		});
		if (view.picked && rowOf.has(view.picked.lane)) {
			const row = rowOf.get(view.picked.lane) - view.top, from = Math.max(0, (view.picked.start - view.from) * scale);
			const to = Math.min(view.width, (view.picked.end - view.from) * scale);

			view.pen.strokeStyle = colour.focus;
			view.pen.lineWidth = 2;
			if (row >= 0 && row < view.rowsShown() && to >= 0 && from <= view.width)
				view.pen.strokeRect(GUTTER + from, AXIS + LOCK + row * ROW - 1, Math.max(2, to - from), ROW - GAP + 2);
		}
	}

	function resize() {
		const ratio = window.devicePixelRatio || 1, height = AXIS + LOCK + Math.max(1, view.rowsShown()) * ROW;
		const pixels = [Math.round(view.canvas.clientWidth * ratio), Math.round(height * ratio)];

		view.canvas.style.height = height + "px";
		view.width = Math.max(50, view.canvas.clientWidth - GUTTER);
		if (view.canvas.width !== pixels[0] || view.canvas.height !== pixels[1])
			[view.canvas.width, view.canvas.height] = pixels;
		view.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
	}

	function draw() {
		const colour = colours();

		view.scheduled = false;
		resize();
		view.gather();
		view.pen.font = "12px system-ui, sans-serif";
		view.pen.clearRect(0, 0, view.canvas.clientWidth, view.canvas.clientHeight);
		drawAxis(colour);
		drawLock(colour);
		drawRows(colour);
		if (view.isExact)
			drawEdges(colour);
		view.tellView();
		if (view.isExact && view.pending)
			view.step(view.pending);
	}

	Object.assign(view, {ticks: ticks, moment: moment, draw: draw});
})(giltrace);
