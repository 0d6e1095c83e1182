/*
 * The events of the timeline as they are in the page: an overview, and blocks that are unpacked when they are looked at,
 * a few of them kept. user/report/html_events.c writes what is read here.
 */
giltrace.openEvents = (function (page) {
	"use strict";

	const COLUMNS = ["what", "lane", "end", "duration", "stack", "count", "holder", "waiterStack"];
	const KEPT = 40;

	async function unpack(element) {
		const text = atob(element.textContent), bytes = new Uint8Array(text.length);

		for (let i = 0; i < text.length; i++)
			bytes[i] = text.charCodeAt(i);
		const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
		return new Uint8Array(await new Response(stream).arrayBuffer());
	}

	/* LEB128. Above 31 bits the shifts would not do. */
	function readColumn(bytes, from, to, into) {
		let n = 0;

		while (from < to) {
			let byte = bytes[from++], value = byte & 0x7f, factor = 128;

			while (byte > 0x7f) {
				byte = bytes[from++];
				value += (byte & 0x7f) * factor;
				factor *= 128;
			}
			into[n++] = value;
		}
		return into;
	}

	function readColumns(bytes, count) {
		const view = new DataView(bytes.buffer), columns = {};
		let at = 4 * COLUMNS.length;

		COLUMNS.forEach((name, i) => {
			const size = view.getUint32(4 * i, true), isTime = name === "end" || name === "duration";

			columns[name] = readColumn(bytes, at, at + size, isTime ? new Float64Array(count) : new Uint32Array(count));
			at += size;
		});
		return columns;
	}

	/* Ends from steps, starts, and what only waits have at the waits' places. */
	function toEvents(columns, count) {
		const {what, end, duration} = columns, start = new Float64Array(count);
		const holder = new Uint32Array(count), waiterStack = new Uint32Array(count);
		let previous = 0, waits = 0;

		for (let i = 0; i < count; i++) {
			const step = end[i];

			previous += step % 2 ? -(step + 1) / 2 : step / 2;
			end[i] = previous;
			start[i] = previous - duration[i];
			if (!(what[i] & 1)) {
				holder[i] = columns.holder[waits];
				waiterStack[i] = columns.waiterStack[waits++];
			}
		}
		return {count: count, what: what, lane: columns.lane, start: start, end: end, stack: columns.stack,
			number: columns.count, holder: holder, waiterStack: waiterStack};
	}

	/* The blocks, with the overview when it is unpacked; `told` is called whenever there is more to draw. */
	return function (told) {
		const overviewElement = document.getElementById("overview");
		const blocks = Array.from(document.querySelectorAll("script.events"), (element) => ({element: element,
			start: +element.dataset.start, end: +element.dataset.end, count: +element.dataset.count, events: null, used: 0}));
		const events = {blocks: blocks, overview: null, failed: null,
			count: blocks.reduce((sum, block) => sum + block.count, 0)};
		let clock = 0, queue = [], running = false;

		function forget() {
			const full = blocks.filter((block) => block.events).sort((a, b) => a.used - b.used);

			while (full.length > KEPT)
				full.shift().events = null;
		}

		async function run() {
			running = true;
			while (queue.length) {
				const block = queue.shift();

				if (block.events)
					continue;
				block.events = toEvents(readColumns(await unpack(block.element), block.count), block.count);
				block.used = ++clock;
				forget();
			}
			running = false;
			told();
		}

		/* The blocks of this part of the time that are unpacked; the others will be, and then it is told. */
		events.within = function (from, to) {
			const wanted = blocks.filter((block) => block.start <= to && block.end >= from);

			wanted.forEach((block) => { block.used = ++clock; });
			const missing = wanted.filter((block) => !block.events);
			queue = missing.slice();
			if (queue.length && !running)
				run().catch((error) => { running = false; events.failed = String(error); told(); });
			return {ready: wanted.filter((block) => block.events), missing: missing.length};
		};

		/* How many blocks there are in it. */
		events.blocksWithin = (from, to) =>
			blocks.reduce((sum, block) => sum + (block.start <= to && block.end >= from ? 1 : 0), 0);
		events.mostAtOnce = KEPT - 8;

		if (typeof DecompressionStream === "undefined")
			events.failed = "this browser cannot unpack them";
		else if (overviewElement)
			unpack(overviewElement).then((bytes) => {
				const bins = +overviewElement.dataset.bins;

				events.overview = {bins: bins, binNs: +overviewElement.dataset.binNs, lanes: +overviewElement.dataset.lanes,
					held: (lane) => bytes.subarray(lane * 2 * bins, lane * 2 * bins + bins),
					waited: (lane) => bytes.subarray(lane * 2 * bins + bins, (lane + 1) * 2 * bins)};
				told();
			}).catch((error) => { events.failed = String(error); told(); });
		return events;
	};
})(giltrace);
