--- Runs in which faults are planted.
local function train(pulses, value, hz)
  return { kind = "train", pulses = pulses, value = value, ref = "MSO", hz = hz or { 1, 1 } }
end

local function protocol(more)
  local scenario = { seed = 7, kind = "protocol", device = "magventure", timing = "host", late = "abort",
    tolerance_ms = 1, flight = true, troubles = {},
    plan = { parts = { train(5, 40), { kind = "mark", text = "middle" }, { kind = "rest", s = 2 }, train(3,
      50) } } }
  for key, value in pairs(more or {}) do
    scenario[key] = value
  end
  return scenario
end

local late = { what = "clock", kind = "late", most_us = 5 }
local key = { what = "stop", source = "key", at_s = 3.2 }

local M = {}

M.quiet = protocol()
M.clock = protocol { troubles = { late } }
M.key = protocol { troubles = { key } }
M.key_and_clock = protocol { troubles = { key, late } }
M.stalled = protocol { troubles = { { what = "clock", kind = "stall", who = "sender", at_s = 100,
  for_ms = 30 } } }
M.broken = protocol { troubles = { { what = "port", kind = "short", take = 2, at_s = 3.5 } } }
M.stuck = protocol { troubles = { { what = "device", kind = "stuck-armed", at = 2 } } }
M.full = protocol { troubles = { { what = "disk", kind = "full", at_s = 2.5 } } }
M.drawn = protocol { plan = { parts = { train(2, 40), { kind = "drawn", min = 1, max = 2 }, train(2, 40) } } }
M.fast = protocol { troubles = { late }, plan = { parts = { { kind = "train", pulses = 2, hz = { 5, 1 },
  value = 40,
  ref = "MSO", burst = 2, burst_hz = { 100, 1 } } } } }
M.skips = protocol { late = "skip", troubles = { { what = "clock", kind = "stall", who = "sender", at_s = 1.8,
  for_ms = 1500 } } }
M.outputs = protocol { device = "pulsepal", plan = { parts = { { kind = "together", apart = 0.06,
  of = { { kind = "pulse", value = 40, ref = "MSO" }, train(3, 50) }, channels = { "1", "2" } } } } }
M.perhaps = protocol { device = "pulsepal", timing = "device", plan = { parts = { train(9, 40, { 5, 1 }) } },
  troubles = { { what = "stop", source = "key", at_s = 0.8 } } }
M.overheats = protocol { device = "rapid", timing = "device", killed_s = 3,
  plan = { parts = { train(40, 40, { 10, 1 }) } },
  troubles = { { what = "device", kind = "over-temperature", at = 20 } } }
M.refused = protocol { device = "bistim" }
M.refused_late = protocol { device = "bistim", troubles = { late } }
M.script = { seed = 7, kind = "experiment", device = "magventure", timing = "host", late = "abort",
  tolerance_ms = 1,
  troubles = {}, script = { { { what = "arm", plan = { parts = { train(3, 40) } } }, { what = "mark",
    text = "step" },
    { what = "play", plan = { parts = { train(3, 40) } } }, { what = "disarm" } } } }

M.earlier = protocol { participant = "P1", history = {
  { kind = "ended", age_h = 3, zone = 1, code = 3, rows = { delivered = 4, perhaps_sent = 2, late = 1 },
    more = 0 },
  { kind = "killed", age_h = 20, zone = 4, code = 2, rows = {}, more = 0, template = 3 },
  { kind = "recovered", age_h = -50, zone = 3, code = 1, rows = { sent = 3 }, more = 5 },
  { kind = "orphan", age_h = 1, zone = 1, code = 1, rows = {}, more = 0 } } }
-- a pulse's write stalls, no keep-alive follows, and the unit gives remote control up before the pulse comes
M.silent = protocol { device = "bistim", plan = { parts = { train(3, 69, { 1, 4 }) } },
  troubles = { { what = "port", kind = "stalled", at_s = 12.667, take = 3, stall_ms = 700 } } }
M.mute = protocol { participant = "P1", troubles = { { what = "device", kind = "half-open", at = 0 } } }

-- two devices on one clock, of which one may fail
local function two(...)
  return protocol { several = { { place = "left", device = "magventure" }, { place = "right",
    device = "magventure" } }, troubles = { ... }, flight = false,
    plan = { parts = { { kind = "together", apart = 0.25, channels = { "left", "right" },
      of = { train(5, 40), train(5, 50) } }, { kind = "rest", s = 2 }, { kind = "mark", text = "middle" },
      { kind = "together", apart = 0, channels = { "left", "right" },
        of = { train(2, 40), train(4, 50) } } } } }
end
M.two = two()
M.two_coded = two()
M.two_coded.codes = true
M.two_recovered = two()
M.two_recovered.flight, M.two_recovered.killed_s = true, 14 -- in a train of the one, while the other rests
M.two_recovered.plan = { parts = { { kind = "together", apart = 0.25, channels = { "left", "right" },
  of = { train(1, 40), train(30, 50, { 2, 1 }) } } } }
M.two_key = two { what = "stop", source = "key", at_s = 3.2 }
M.two_guard = two { what = "stop", source = "guard", of = 2, at_s = 3.2 }
M.two_drop = two { what = "device", kind = "drop", at = 3, on = 2 }
M.two_full = two { what = "port", kind = "full", at_s = 3.5, take = 0, on = 2 }

M.coded = protocol { codes = true }
M.coded_skips = protocol { codes = true, late = "skip", troubles = { { what = "clock", kind = "stall",
  who = "sender", at_s = 1.8, for_ms = 1500 } } }
M.coded_stop = protocol { codes = true, troubles = { { what = "stop", source = "key", at_s = 2.5 } } }
M.coded_hang = protocol { codes = true, box = { kind = "full", at_s = 2.5 } }
M.coded_gone = protocol { codes = true, box = { kind = "gone", at_s = 2.5 } }

-- a script's marks with codes, more of them than can wait; a box that takes no 0 for a while
M.coded_script = { seed = 7, kind = "experiment", device = "magventure", timing = "host", late = "abort",
  tolerance_ms = 1, codes = true, width_s = 0.05, troubles = {}, script = { {
    { what = "mark", text = "first", code = 9 }, { what = "arm", plan = { parts = { train(3, 40) } } },
    { what = "mark", text = "many", code = 10, times = 20 },
    { what = "play", plan = { parts = { train(3, 40) } } },
    { what = "sleep", s = 4 } } } }
M.coded_box_hangs = { seed = 7, kind = "experiment", device = "magventure", timing = "host", late = "abort",
  tolerance_ms = 1, codes = true, width_s = 0.3, troubles = {},
  box = { kind = "hangs", at_s = 0.4, for_s = 0.3 },
  script = { { { what = "arm", plan = { parts = { train(1, 40) } } },
    { what = "play", plan = { parts = { train(1, 40) } } }, { what = "sleep", s = 4 } } } }
M.coded_line = protocol { codes = true, line = true, width_s = 0.3 }

-- for faults of the product
M.held = protocol { late = "skip", troubles = { { what = "clock", kind = "stall", who = "sender", at_s = 0.9,
  for_ms = 700 } } }
M.fast_and_late = protocol { device = "pulsepal", tolerance_ms = 5,
  troubles = { { what = "clock", kind = "late", most_us = 3000 } },
  plan = { parts = { { kind = "train", pulses = 8, hz = { 5, 1 }, value = 40, ref = "MSO", burst = 3,
    burst_hz = { 100, 1 } } } } }
M.steps = protocol { plan = { parts = { train(1, 40, { 100, 1 }), train(1, 50, { 100, 1 }) } } }
M.killed = protocol { killed_s = 3.7 }
M.skips_and_killed = protocol { late = "skip", killed_s = 6, troubles = M.skips.troubles }

local function experiment(more)
  local scenario = protocol(more)
  scenario.kind, scenario.plan, scenario.flight = "experiment", nil, nil
  return scenario
end

-- plans that triggers start, and a part of the script that hears each of them
M.triggered = experiment { script = { {
  { what = "arm", plan = { parts = { train(1, 40) } } },
  { what = "on_trigger", plan = { parts = { train(1, 40) } }, count = 9, refractory = 2, byte = 1 },
  { what = "disarm" } }, { { what = "wait", timeout = 9 }, { what = "wait", byte = 1, timeout = 9 } } },
  triggers = { { at_s = 1, byte = 1 }, { at_s = 1.5, byte = 1 }, { at_s = 2.2, byte = 1 },
    { at_s = 3.5, byte = 1 }, { at_s = 4, byte = 2 }, { at_s = 6, byte = 1 }, { at_s = 6.5, byte = 1 } } }
M.triggered_by_the_second = experiment { script = { { { what = "arm" },
  { what = "on_trigger", plan = { parts = { train(2, 40) } }, count = 2, refractory = 2, every = 2,
    delay = 0.25, until_s = 20 }, { what = "disarm" } } },
  triggers = { { at_s = 1, byte = 1, times = 300, apart_s = 0.01 }, { at_s = 9, byte = 1, times = 4,
    apart_s = 0 } } }
M.triggered_and_stopped = experiment { script = { {
  { what = "arm", plan = { parts = { train(3, 40) } } },
  { what = "on_trigger", plan = { parts = { train(3, 40) } }, count = 9, refractory = 4 },
  { what = "disarm" } } },
  triggers = { { at_s = 1, byte = 1 }, { at_s = 6, byte = 1 }, { at_s = 6.1, byte = 1, times = 99,
    apart_s = 1e-4 }, { at_s = 10.5, byte = 1 } },
  troubles = { { what = "stop", source = "key", at_s = 6.05 } } }

-- a plan is cut before its first pulse left, and no trigger starts the next one
M.triggered_by_none = experiment { script = { { { what = "arm" }, { what = "sleep", s = 2 },
  { what = "cut", plan = { parts = { train(1, 40) } }, after = 0.208029 }, { what = "arm" },
  { what = "on_trigger", plan = { parts = { train(1, 40) } }, count = 20, refractory = 22, until_s = 3.1251 },
  { what = "play", plan = { parts = { train(1, 40) } } } } },
  troubles = { { what = "clock", kind = "stall", who = "sender", at_s = 1, for_ms = 1500 } } }

-- pulses that something outside fires
M.watched = experiment { script = { { { what = "watch", count = 3, refractory = 1, timeout = 9,
  fires = { 2, 3.5, 6, 7 }, goes_on = true,
  plan = { parts = { { kind = "pulse", value = 40, ref = "MSO" } } } } } } }

-- more bytes than the port keeps, while nobody reads it
M.triggered_in_a_stall = experiment { late = "skip", script = { { { what = "arm" },
  { what = "on_trigger", plan = { parts = { train(1, 40) } }, count = 9, refractory = 1 } } },
  triggers = { { at_s = 1, byte = 1, times = 6000, apart_s = 1e-4 } },
  troubles = { { what = "clock", kind = "stall", who = "sender", at_s = 1.1, for_ms = 900 } } }
-- two pairs of one command each, of which the first is over long before the call is
M.triggered_pairs = experiment { device = "bistim", timing = "auto", script = { { { what = "arm" },
  { what = "on_trigger", plan = { parts = { { kind = "pair", isi = 0.01, ref = "MSO", value = 29 } } },
    count = 2, refractory = 4.51, delay = 0.02 } } },
  triggers = { { at_s = 20, byte = 0 }, { at_s = 26, byte = 0 } } }

local key_amid = { what = "stop", source = "key", at_s = 1.5 }
M.key_in_script = experiment { catches = true, troubles = { key_amid }, script = { { { what = "arm" },
  { what = "play", plan = { parts = { train(9, 40) } } }, { what = "disarm" }, { what = "arm" },
  { what = "play", plan = { parts = { train(3, 40) } } } } } }
M.cut = experiment { device = "stimjim", timing = "device", tolerance_ms = 5, script = { {
  { what = "arm", plan = { parts = { train(20, 40, { 10, 1 }) } } },
  { what = "cut", plan = { parts = { train(20, 40, { 10, 1 }) } }, after = 0.9 }, { what = "arm" },
  { what = "play", plan = { parts = { train(30, 40, { 5, 1 }) } } } } } }

return M
