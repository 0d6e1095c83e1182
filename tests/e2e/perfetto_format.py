# SPDX-License-Identifier: MIT
"""Reads a timeline (--timeline) as Perfetto's .proto files say: packets, tracks, slices, flows and counters."""

import struct
from collections import defaultdict

from recording_format import fields

MONOTONIC = 3
BEGIN, END, COUNT = 1, 2, 4
CLEARED = 1


def one(message, number, default=None):
    return dict(message).get(number, default)


def fixed(value):
    """A fixed64, which the reader of fields takes for a double."""
    return int.from_bytes(struct.pack("<d", value), "little")


class Slice:
    def __init__(self, track, start, name, details):
        self.track, self.start, self.name, self.details = track, start, name, details
        self.end, self.flows, self.flow_ends = None, [], []

    @property
    def ns(self):
        return self.end - self.start


class Timeline:
    """`tracks`: by number, each a dict. `slices`: in the order of their beginnings. `counters`: by track, (time,
    value). `flows`: (slice from which, slice to which)."""

    def __init__(self, file):
        self.tracks, self.slices, self.counters = {}, [], defaultdict(list)
        self.sequence, self.now, self.texts, self.open = None, None, {}, defaultdict(list)
        for number, packet in fields(file):
            assert number == 1, "a trace is packets"
            self.take(list(fields(packet)))
        assert not any(self.open.values()), "slices that never end"
        starts = {flow: piece for piece in self.slices for flow in piece.flows}
        assert len(starts) == sum(len(piece.flows) for piece in self.slices), "a flow from two slices"
        self.flows = [(starts[flow], piece) for piece in self.slices for flow in piece.flow_ends]

    def take(self, packet):
        named = dict(packet)
        if self.sequence is None:
            assert named[13] == CLEARED and named[87] == 1, "the first packet clears what readers know"
            self.sequence = named[10]
            self.take_clocks(list(fields(named[6])), one(fields(named[59]), 58))
            return
        assert named[10] == self.sequence
        if 60 in named:
            self.take_track(list(fields(named[60])))
            return
        for kind, text in fields(named.get(12, b"")):
            number, text = one(fields(text), 1), one(fields(text), 2).decode()
            assert number > 0 and (kind, number) not in self.texts, "told twice: " + text
            self.texts[kind, number] = text
        assert named[58] == MONOTONIC if 58 in named else True
        if 58 in named:
            time = named[8]
        else:
            time = self.now = self.now + named[8]
        self.take_event(time, list(fields(named[11])))

    def take_clocks(self, snapshot, ours):
        clocks = [dict(fields(value)) for number, value in snapshot if number == 1]
        times = {clock[1]: clock[2] for clock in clocks}
        assert 64 <= ours < 128 and [clock.get(3) for clock in clocks if clock[1] == ours] == [1]
        assert one(snapshot, 2) == MONOTONIC and times[ours] == times[MONOTONIC]
        self.now = times[ours]

    def take_track(self, track):
        named = dict(track)
        assert named[1] and named[1] not in self.tracks
        found = {"name": named.get(2, b"").decode(), "parent": named.get(5), "counter": 8 in named}
        if 3 in named:
            process = list(fields(named[3]))
            found.update(pid=one(process, 1), exe=one(process, 2, b"").decode(), name=one(process, 6, b"").decode())
        if 4 in named:
            thread = dict(fields(named[4]))
            found.update(pid=thread[1], tid=thread[2], name=thread.get(5, b"").decode())
        assert found["parent"] is None or found["parent"] in self.tracks
        self.tracks[named[1]] = found

    def take_event(self, time, event):
        named, track = dict(event), dict(event)[11]
        assert track in self.tracks and (named[9] == COUNT) == self.tracks[track]["counter"]
        if named[9] == COUNT:
            self.counters[track].append((time, named[30]))
            return
        if named[9] == BEGIN:
            assert self.texts[1, named[3]] == "gil"
            piece = Slice(track, time, self.texts[2, named[10]], dict(self.details(event)))
            self.open[track].append(piece)
            self.slices.append(piece)
        else:
            piece = self.open[track].pop()
            piece.end = time
            assert piece.end >= piece.start
        piece.flows += [fixed(value) for number, value in event if number == 47]
        piece.flow_ends += [fixed(value) for number, value in event if number == 48]

    def details(self, event):
        for number, value in event:
            if number == 4:
                detail = dict(fields(value))
                yield self.texts[3, detail[1]], self.texts[29, detail[17]] if 17 in detail else detail[3]

    def track(self, name):
        """The number of the only track with this name."""
        (number,) = [number for number, track in self.tracks.items() if track["name"] == name and "tid" not in track]
        return number

    def on(self, track):
        return [piece for piece in self.slices if piece.track == track]

    def threads(self):
        return {track["tid"]: number for number, track in self.tracks.items() if "tid" in track}
