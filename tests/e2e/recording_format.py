# SPDX-License-Identifier: MIT
"""Reads a recording as docs/recording.md says it is written: another reader than giltrace's own."""

import struct
import zlib

MAGIC = b"\x89GILT\r\n\x1a"
STAT = 0x54415453
EVNT = 0x544e5645
WAIT = 0


def varints(data):
    """Packed integers."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0
    assert not shift, "half of a number"


def signed(value):
    return value >> 1 ^ -(value & 1)


def fields(data):
    """The fields of a message: number and value, an integer or bytes."""
    at = 0

    def varint():
        nonlocal at
        end = at
        while data[end] > 127:
            end += 1
        (value,), at = varints(data[at:end + 1]), end + 1
        return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            yield tag >> 3, struct.unpack("<d", data[at:at + 8])[0]
            at += 8
        else:
            assert tag & 7 == 2, "a wire type that is not used"
            size = varint()
            yield tag >> 3, data[at:at + size]
            at += size
    assert at == len(data), "more is told than there is"


def chunks(file):
    assert file[:8] == MAGIC
    version, checksum = struct.unpack("<II", file[8:16])
    assert version == 1 and checksum == zlib.crc32(file[:12])
    at = 16
    while at < len(file):
        kind, number, stored, plain, checksum = struct.unpack("<5I", file[at:at + 20])
        payload = file[at + 20:at + 20 + stored]
        assert checksum == zlib.crc32(payload, zlib.crc32(file[at:at + 16]))
        payload = payload if stored == plain else zlib.decompress(payload)
        assert len(payload) == plain
        yield kind, number, payload, 20 + stored
        at += 20 + stored


class Recording:
    """The sums of what is in it."""

    def __init__(self, file):
        self.window, self.threads, self.ended, self.blame, self.frames, self.numbers = {}, {}, [], {}, [], []
        self.stacks, self.events, self.event_bytes = [()], [], 0
        for kind, number, payload, size in chunks(file):
            self.numbers.append(number)
            if kind == STAT:
                for field, value in fields(payload):
                    self.take(field, value)
            elif kind == EVNT:
                self.event_bytes += size
                self.take_events(list(fields(payload)))
        self.ended += self.threads.values()

    def take(self, field, value):
        if field == 1:
            self.frames, self.stacks = [], [()]
        elif field == 2:
            for number, part in fields(value):
                self.window[number] = self.window.get(number, 0) + signed(part) if 20 <= number < 50 else part
        elif field == 3:
            self.frames.append(dict(fields(value)))
        elif field == 4:
            self.stacks.append(tuple(self.frames[i][1].decode() for i in varints(value)))
        elif field == 7:
            self.take_thread(list(fields(value)))
        elif field == 8:
            self.take_blame(dict(fields(value)))

    def take_thread(self, parts):
        named = dict(parts)
        key = (named[1], named[3], named[4])
        thread = self.threads.setdefault(key, {"wait": {}, "key": key})
        for number, part in parts:
            if number >= 20:
                thread[number] = thread.get(number, 0) + signed(part)
            elif number == 8:
                thread["name"] = part.decode()
            elif number == 10:
                self.take_buckets(thread["wait"], dict(fields(part)).get(3, b""))
        if named.get(9):
            self.ended.append(self.threads.pop(key))

    def take_events(self, parts):
        """Each becomes (kind, process, tid, start, end, details)."""
        start = dict(parts)[1]
        threads = [dict(fields(value)) for number, value in parts if number == 2]
        ends, last = [start] * len(threads), start
        heads, starts, stops, stacks, waiter_stacks, holders, failed, waiters = (
            varints(dict(parts)[number]) for number in range(3, 11))
        for head in heads:
            thread, kind = divmod(head, 4)
            begin = ends[thread] + signed(next(starts))
            last = ends[thread] = last + signed(next(stops))
            assert begin <= last
            details = {"stack": self.stacks[next(stacks)]}
            if kind == WAIT:
                details["waiter_stack"], holder = self.stacks[next(waiter_stacks)], next(holders)
                details["holder"] = threads[holder - 1][4] if holder else None
                details["failed"] = next(failed)
            else:
                details["waiters"] = next(waiters)
            self.events.append((kind, threads[thread][1], threads[thread][4], begin, last, details))
        for column in (starts, stops, stacks, waiter_stacks, holders, failed, waiters):
            assert next(column, None) is None, "a column is longer than the events"

    @staticmethod
    def take_buckets(buckets, packed):
        numbers, index = list(varints(packed)), 0
        for gap, change in zip(numbers[::2], numbers[1::2]):
            index += gap
            buckets[index] = buckets.get(index, 0) + signed(change)

    def take_blame(self, parts):
        key = (parts[1], parts[3], parts[4], parts[5], self.stacks[parts[6]], self.stacks[parts[7]])
        blame = self.blame.setdefault(key, {})
        for number in (20, 21, 22):
            blame[number] = blame.get(number, 0) + signed(parts.get(number, 0))


def lower_bound(index):
    """Of a histogram's bucket, in ns."""
    if index < 32:
        return 8 * index
    shift = index // 16 - 1
    return (index - 16 * shift) << (shift + 3)
