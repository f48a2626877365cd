/** `pace`: how a view that is told often draws at most so often, and never forgets the last time. */

const CLOCK = {
  now: () => performance.now(),
  after: setTimeout.bind(globalThis),
  cancel: clearTimeout.bind(globalThis),
};

/**
 * Ask `early()` before drawing: where it says true, `again()` is called as soon as it is not, and there the same is
 * asked. Around drawing call `begin()` and `end(wait)`, after which it is too early for so many milliseconds; `stop()`
 * when the view goes.
 */
export function pace(again, { now, after, cancel } = CLOCK) {
  let next = -Infinity;
  let due = null;
  const stop = () => {
    cancel(due);
    due = null;
  };
  return {
    early() {
      const wait = next - now();
      if (wait <= 0) return false;
      due ??= after(() => {
        due = null; // a timer may fire a fraction of a millisecond early, and then has to be set again
        again();
      }, wait);
      return true;
    },
    begin: stop,
    end(wait) {
      next = now() + wait;
    },
    stop,
  };
}
