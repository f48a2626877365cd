/** `Recording`: what the kernel has told of a trace, shared by all views of a panel. */

import { RECORD_SIZE, readRecord } from "./words.js";

const DETAILS_KEPT = 64;

export class Recording {
  constructor(ask) {
    this.ask = ask;
    this.first = 0; // number of the first record held here
    this.count = 0;
    this.packed = new Uint8Array(256 * RECORD_SIZE);
    this.view = new DataView(this.packed.buffer);
    this.status = { total: 0, first: 0, bytes_dropped: 0, states: {} };
    this.connections = 0;
    this.details = new Map();
  }

  get next() {
    return this.first + this.count;
  }

  record(number) {
    const at = number - this.first;
    return at >= 0 && at < this.count ? readRecord(this.view, at * RECORD_SIZE) : null;
  }

  /** A message from the kernel. */
  hear(message, buffers) {
    if (message.tell === "records") this.extend(message, buffers[0]);
    else if (message.tell === "explanation") this.keep(message.number, message);
  }

  extend({ start, status }, buffer) {
    this.merge(status);
    const bytes = buffer ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array();
    const come = bytes.byteLength / RECORD_SIZE;
    if (start > this.next && start > status.first) {
      this.ask({ ask: "records", from: this.next }); // a message was lost
    } else if (start + come > this.next) {
      if (start > this.next) this.forget(start);
      this.append(bytes.subarray((this.next - start) * RECORD_SIZE));
    }
    if (status.first > this.first) this.forget(status.first);
  }

  merge(status) {
    const states = { ...this.status.states, ...status.states };
    this.status = { ...status, states };
  }

  append(bytes) {
    const used = this.count * RECORD_SIZE;
    if (used + bytes.byteLength > this.packed.byteLength) {
      const larger = new Uint8Array(Math.max(2 * this.packed.byteLength, used + bytes.byteLength));
      larger.set(this.packed.subarray(0, used));
      this.packed = larger;
      this.view = new DataView(larger.buffer);
    }
    this.packed.set(bytes, used);
    this.count += bytes.byteLength / RECORD_SIZE;
    for (let at = used; at < used + bytes.byteLength; at += RECORD_SIZE) {
      this.connections = Math.max(this.connections, this.view.getUint32(at + 4, true) + 1);
    }
  }

  /** The trace no longer keeps records before `first`, so neither does the panel. */
  forget(first) {
    const gone = Math.min(first - this.first, this.count);
    this.packed.copyWithin(0, gone * RECORD_SIZE, this.count * RECORD_SIZE);
    this.count -= gone;
    this.first = first;
  }

  keep(number, detail) {
    this.details.delete(number);
    this.details.set(number, detail);
    if (this.details.size > DETAILS_KEPT) this.details.delete(this.details.keys().next().value);
  }

  /** Questions without an answer may have been lost with a kernel: they are asked again when somebody looks again. */
  askAgain() {
    for (const [number, known] of this.details) if (known === null) this.details.delete(number);
  }

  /** What is known of a record: `{explanation}`, `{problem}`, or null while the kernel is asked. */
  detail(number) {
    const known = this.details.get(number);
    if (known === undefined) {
      this.details.set(number, null);
      this.ask({ ask: "explanation", number });
    }
    return known ?? null;
  }
}
