/**
 * Which records are shown: `Sieve` finds those that pass a test, a few milliseconds at a time, so that the page stays
 * quick whatever there is; what is new is tested once, and what was found stays. Its test in Python is
 * `wslab/panels/kit/record_filter.py`.
 */

import { FILTER_KINDS, SENDERS } from "./facts.js";
import { bisect } from "./recording.js";
import { connectionAt, firstByteAt, group, kindAt, senderAt, summaryAt, violationsAt } from "./words.js";

const SLICE = 4; // ms of work at a time
const BETWEEN_LOOKS = 32; // records tested between two looks at the clock

/** What the traits are where every record passes. */
export const ALL = { direction: "both", kinds: FILTER_KINDS, opcode: null, connection: null, text: "", broken: false };

/** A test of the record at a place, out of the panel's traits, the cheap parts first; null when every record passes. */
export function recordTest(traits) {
  const { direction, kinds, opcode, connection, text, broken } = { ...ALL, ...traits };
  const sought = text.toLowerCase();
  const parts = [
    SENDERS.includes(direction) && ((view, at) => senderAt(view, at) === direction),
    connection !== null && ((view, at) => connectionAt(view, at) === connection),
    broken && ((view, at) => violationsAt(view, at) > 0),
    opcode !== null && ((view, at) => kindAt(view, at) === "frame" && (firstByteAt(view, at) & 0b1111) === opcode),
    kinds.length < FILTER_KINDS.length &&
      ((view, at) => kinds.includes(group(kindAt(view, at), firstByteAt(view, at)))),
    sought && ((view, at) => summaryAt(view, at).toLowerCase().includes(sought)),
  ].filter(Boolean);
  return parts.length ? (view, at) => parts.every((passes) => passes(view, at)) : null;
}

export class Sieve {
  /** `changed()` is called after each slice of work that was not asked for. */
  constructor(recording, changed) {
    this.recording = recording;
    this.changed = changed;
    this.key = "";
    this.test = null;
    this.numbers = new Uint32Array(1024); // of the records that passed, from index `start` up to `stop`
    this.start = 0;
    this.stop = 0;
    this.next = 0; // the record to test next
    this.waiting = false;
    this.later = new MessageChannel();
    this.later.port1.onmessage = () => {
      this.waiting = false;
      this.work();
      this.changed();
    };
  }

  /** Show what passes `test`, or everything where it is null; the same `key` means the same test. */
  use(key, test) {
    if (key === this.key) return;
    this.key = key;
    this.test = test;
    this.start = this.stop = this.next = 0;
  }

  /** Go on with what was not tested yet, for a slice of time; the rest follows by itself. */
  work() {
    const { recording } = this;
    if (!this.test) return;
    this.start = bisect(this.start, this.stop, (at) => this.numbers[at] >= recording.first);
    this.next = Math.max(this.next, recording.first);
    if (this.waiting) return;
    const until = performance.now() + SLICE;
    while (this.next < recording.next && performance.now() < until) {
      for (const last = Math.min(this.next + BETWEEN_LOOKS, recording.next); this.next < last; this.next++) {
        if (this.test(recording.view, recording.at(this.next))) this.add(this.next);
      }
    }
    if (this.next < recording.next) {
      this.waiting = true;
      this.later.port2.postMessage(null);
    }
  }

  add(number) {
    if (this.stop === this.numbers.length) {
      const kept = this.numbers.subarray(this.start, this.stop);
      const larger = new Uint32Array(Math.max(1024, 2 * kept.length));
      larger.set(kept);
      [this.numbers, this.start, this.stop] = [larger, 0, kept.length];
    }
    this.numbers[this.stop++] = number;
  }

  /** Whether every record that there is was tested. */
  get done() {
    return !this.test || this.next >= this.recording.next;
  }

  /** How many are shown. */
  get count() {
    return this.test ? this.stop - this.start : this.recording.count;
  }

  /** The number of the record in a row; rows count from 0. */
  number(row) {
    return this.test ? this.numbers[this.start + row] : this.recording.first + row;
  }

  /** The row of the first record shown that is this one or comes after it; the count of rows where none does. */
  row(number) {
    if (!this.test) return Math.min(Math.max(number - this.recording.first, 0), this.count);
    return bisect(this.start, this.stop, (at) => this.numbers[at] >= number) - this.start;
  }

  has(number) {
    const row = this.row(number);
    return row < this.count && this.number(row) === number;
  }

  close() {
    this.later.port1.close();
  }
}
