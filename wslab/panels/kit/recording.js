/** `Recording`: what the kernel has told of a trace, shared by all views of a panel. */

import { RECORD_SIZE, SENDERS } from "./facts.js";
import { connectionAt, delayAt, kindAt, putDelay, readRecord, timeAt } from "./words.js";

const USUAL = 300_000; // records for which there is room: more than a trace keeps unless told
const DETAILS_KEPT = 64;
const ASK_EVERY = 80; // ms between two questions about a record, so that a slider that is dragged does not ask for each

/** The first index from `from` up to `to` at which `after` holds, which it does from there on; `to` when nowhere. */
export function bisect(from, to, after) {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (after(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}

export class Recording {
  constructor(ask) {
    this.ask = ask;
    this.first = 0; // number of the first record held here
    this.count = 0;
    this.reserve(new Uint8Array(), USUAL);
    this.status = { total: 0, first: 0, bytes_dropped: 0 };
    this.connections = 0;
    this.bent = false; // whether a relay did something
    this.steps = new Map(); // connection: its changes of state, in order
    this.details = new Map();
    this.wanted = null;
    this.asking = null;
  }

  get next() {
    return this.first + this.count;
  }

  /** Where in `view` a record's packed form begins; null when it is not held. */
  at(number) {
    const index = number === null ? -1 : number - this.first;
    return index >= 0 && index < this.count ? index * RECORD_SIZE : null;
  }

  record(number) {
    const at = this.at(number);
    return at === null ? null : readRecord(this.view, at);
  }

  /** The last record that was sent before the peer had read this one: itself or a later one; null where not known. */
  arrival(number) {
    const at = this.at(number);
    const delay = delayAt(this.view, at);
    if (delay === null) return null;
    const arrived = timeAt(this.view, at) + delay;
    const index = number - this.first;
    return this.first + bisect(index + 1, this.count, (other) => timeAt(this.view, other * RECORD_SIZE) >= arrived) - 1;
  }

  /** Each end's last change of state up to a record, `{state, event, section, record}`, or null. */
  states(connection, number) {
    const steps = this.steps.get(connection) ?? [];
    const found = { client: null, server: null };
    for (let at = bisect(0, steps.length, (step) => steps[step].record > number) - 1; at >= 0; at--) {
      found[steps[at].endpoint] ??= steps[at];
      if (SENDERS.every((sender) => found[sender])) break;
    }
    return found;
  }

  /** A message from the kernel. */
  hear(message, buffers) {
    if (message.tell === "records") this.extend(message, buffers);
    else if (message.tell === "explanation") this.keep(message.number, message);
  }

  extend({ start, status, before, steps }, [records, late]) {
    this.status = status;
    const bytes = records ? new Uint8Array(records.buffer, records.byteOffset, records.byteLength) : new Uint8Array();
    const come = bytes.byteLength / RECORD_SIZE;
    if (start > this.next && start > status.first) {
      this.ask({ ask: "records", from: this.next }); // a message was lost
      return;
    }
    this.learnBefore(start, before ?? {});
    this.learn(steps ?? []);
    if (start + come > this.next) {
      if (start > this.next) this.forget(start);
      this.append(bytes.subarray((this.next - start) * RECORD_SIZE));
    }
    if (late) this.patch(late);
    if (status.first > this.first) this.forget(status.first);
  }

  /** Have room for so many records, with what is held already. Within that room growing copies nothing. */
  reserve(held, records) {
    this.packed = new Uint8Array(
      new ArrayBuffer(Math.max(256 * RECORD_SIZE, held.byteLength), { maxByteLength: records * RECORD_SIZE }),
    );
    this.packed.set(held);
    this.view = new DataView(this.packed.buffer);
  }

  append(bytes) {
    const used = this.count * RECORD_SIZE;
    const wanted = used + bytes.byteLength;
    const { buffer } = this.packed;
    if (wanted > buffer.maxByteLength) this.reserve(this.packed.subarray(0, used), (2 * wanted) / RECORD_SIZE);
    else if (wanted > buffer.byteLength)
      buffer.resize(Math.min(Math.max(2 * buffer.byteLength, wanted), buffer.maxByteLength));
    this.packed.set(bytes, used);
    this.count += bytes.byteLength / RECORD_SIZE;
    for (let at = used; at < used + bytes.byteLength; at += RECORD_SIZE) {
      this.connections = Math.max(this.connections, connectionAt(this.view, at) + 1);
      this.bent ||= kindAt(this.view, at) === "bend";
    }
  }

  /** Receptions that became known after their records had been told: number and delay in turn. */
  patch(late) {
    for (let at = 0; at < late.byteLength; at += 8) {
      const record = this.at(late.getUint32(at, true));
      if (record !== null) putDelay(this.view, record, late.getUint32(at + 4, true));
    }
  }

  /** What records led to that are not told any more. */
  learnBefore(start, before) {
    for (const [connection, states] of Object.entries(before)) {
      const known = this.steps.get(Number(connection)) ?? [];
      if (known.length && known[0].record < start) continue;
      this.steps.set(Number(connection), [
        ...SENDERS.map((endpoint) => ({ record: start - 1, endpoint, state: states[endpoint] })),
        ...known,
      ]);
    }
  }

  learn(steps) {
    for (const [record, connection, endpoint, state, event, section] of steps) {
      const known = this.steps.get(connection) ?? [];
      if (!known.length) this.steps.set(connection, known);
      const last = known.at(-1);
      const news =
        !last ||
        record > last.record ||
        (record === last.record &&
          !known.some((step) => step.record === record && step.endpoint === endpoint && step.state === state));
      if (news) known.push({ record, endpoint, state, event, section });
    }
  }

  /** The trace no longer keeps records before `first`, so neither does the panel. */
  forget(first) {
    const gone = Math.min(first - this.first, this.count);
    this.packed.copyWithin(0, gone * RECORD_SIZE, this.count * RECORD_SIZE);
    this.count -= gone;
    this.first = first;
    for (const [connection, steps] of this.steps) {
      const over =
        steps.at(-1).record < first &&
        SENDERS.every((end) => steps.findLast((step) => step.endpoint === end)?.state === "CLOSED");
      if (over) this.steps.delete(connection);
    }
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
    if (known === undefined && number !== this.wanted) {
      this.wanted = number;
      if (this.asking === null) this.askNow();
    }
    return known ?? null;
  }

  askNow() {
    const number = this.wanted;
    this.wanted = null;
    // An earlier question for it may have been answered while this one waited.
    if (number === null || this.details.has(number)) {
      this.asking = null;
      return;
    }
    this.details.set(number, null);
    this.ask({ ask: "explanation", number });
    this.asking = setTimeout(() => this.askNow(), ASK_EVERY);
  }
}
