"""How a view that is told often draws seldom enough, and still draws what came last."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise

import pytest

from wslab.panels.kit.module import esm

# A view that draws as the lab panel does, on a clock whose timers fire `early` ms before their time.
DRIVER = """
const { pace } = await import("data:text/javascript;base64," + Buffer.from(%(module)s).toString("base64"));
let time = 1000;
let timers = [];
const clock = {
  now: () => time,
  after: (work, wait) => (timers.push({ at: time + Math.max(0, wait - %(early)s), work }), timers.at(-1)),
  cancel: (timer) => { timers = timers.filter((one) => one !== timer); },
};
const drawn = [];
let told = 0;
const draw = () => {
  if (pacing.early()) return;
  pacing.begin();
  drawn.push([time, told]);
  pacing.end(15);
};
const pacing = pace(draw, clock);
const pass = (until) => {
  for (;;) {
    const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
    if (!next) break;
    clock.cancel(next);
    time = Math.max(time, next.at) + 0.05;
    next.work();
  }
  time = until;
};
for (const at of %(messages)s) {
  pass(at);
  told += 1;
  draw();
}
pass(5000);
process.stdout.write(JSON.stringify({ drawn, waiting: timers.length }));
"""


def drawn(node_path: str, messages: list[float], early: float) -> list[tuple[float, int]]:
    """When the view drew, and how many messages it knew of, when messages come at these times (ms)."""
    source = DRIVER % {"module": json.dumps(esm("kit/pace.js")), "early": early, "messages": json.dumps(messages)}
    run = subprocess.run([node_path, "--input-type=module", "-"], input=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["waiting"] == 0
    return [(time, told) for time, told in found["drawn"]]


@pytest.mark.lengthy
@pytest.mark.parametrize("early", [0, 0.4, 3])
def test_what_came_last_is_drawn_and_seldom_enough(node_path: str, early: float) -> None:
    messages = [1000, 1004.6, 1006, 1007.7, 1200, 1201.3]
    found = drawn(node_path, messages, early)
    assert found[-1][1] == len(messages), "the last message was never drawn"
    assert found[0] == (1000, 1), "the first one is drawn at once"
    times = [time for time, _ in found]
    assert all(later - earlier >= 15 for earlier, later in pairwise(times))
    assert times[-1] < 1240
