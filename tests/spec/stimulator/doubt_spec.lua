-- What is called delivered was given. On each simulator, timed by the host and by the device, one command or
-- reply of a train is lost, late or ignored at a drawn place: no row says delivered for a pulse that the
-- simulator did not give then, and what is recovered says the same.
local chances = require "moonpulse.explore.chance"
local devices = require "moonpulse.explore.devices"
local evidence = require "moonpulse.explore.evidence"
local find = require "moonpulse.driver.find"
local judges = require "moonpulse.explore.judge"
local shell = require "shell"

local quick = os.getenv "MP_QUICK"
local seeds = os.getenv("MP_LONG") and 150 or quick and 3 or 25 -- of each device
local MS = 1000000
local within_ns = 10 * MS

local rates = { -- Hz that each can give, from 1 to 20 where it can
  magventure = { 1, 2, 5, 9, 10, 11, 12, 15, 20 }, stimjim = { 1, 2, 4, 5, 6, 10, 20 },
  rapid = { 1, 5, 10, 20 }, pulsepal = { 1, 5, 10, 20 }, trigger = { 1, 5, 10, 20 }, bistim = { "1/4" },
  magstim200 = { "1/4" },
  duomag = { 1 },
}

local kinds = { "lose", "delay", "mute", "mute", "late", "late", "ignore" }

--- Its own simulator, but what harm.at counts (commands, replies or pulses) goes wrong once.
local function broken(real, harm)
  local simulator, held, last_ns = {}, {}, 0
  local function count(kind)
    if harm.armed and harm.counts == kind then
      harm.seen = harm.seen + 1
      return harm.seen == harm.at
    end
  end
  --- What it says and notes, but a pulse that it was to ignore, with its reply.
  local function out(replies, log)
    local ignored, kept, noted = false, {}, {}
    for _, entry in ipairs(log or {}) do
      if entry.event == "arm" or entry.event == "pulse" then
        harm.armed = true
      end
      if entry.event == "pulse" and count "pulses" then
        ignored, harm.did = true, true
      else
        noted[#noted + 1] = entry
      end
    end
    for i, reply in ipairs(replies or {}) do
      local hit = count "replies" or ignored and i == 1
      local late_ns = hit and harm.kind == "late" and harm.late_ns or 0
      harm.did = harm.did or hit
      if not hit or harm.kind == "late" then -- none overtakes another
        last_ns = math.max(last_ns, reply.at_ns + late_ns)
        kept[#kept + 1] = { at_ns = last_ns, bytes = reply.bytes }
      end
    end
    return kept[1] and kept, noted[1] and noted
  end
  function simulator.receive(_, bytes, now_ns)
    local hit = count "commands"
    harm.did = harm.did or hit
    if hit and harm.kind == "lose" then
      return
    elseif hit or held[1] then
      held[#held + 1] = { at_ns = hit and now_ns + harm.late_ns or math.max(now_ns, held[#held].at_ns),
        bytes = bytes }
      return
    end
    return out(real:receive(bytes, now_ns))
  end
  function simulator.tick(_, now_ns)
    local replies, log, next_ns = real:tick(now_ns)
    local function join(more, notes)
      replies, log = replies or {}, log or {}
      table.move(more or {}, 1, #(more or {}), #replies + 1, replies)
      table.move(notes or {}, 1, #(notes or {}), #log + 1, log)
    end
    while held[1] and held[1].at_ns <= now_ns do
      join(real:receive(table.remove(held, 1).bytes, now_ns))
      local more, notes
      more, notes, next_ns = real:tick(now_ns)
      join(more, notes)
    end
    replies, log = out(replies, log)
    return replies, log, held[1] and math.min(next_ns or math.maxinteger, held[1].at_ns) or next_ns
  end
  return setmetatable(simulator, { __index = function(_, key)
    local value = real[key]
    if key == "steady" or key == "passed" then -- nobody may answer in its place
      return nil
    end
    return type(value) == "function" and function(_, ...) return value(real, ...) end or value
  end })
end

local function draw_harm(chance, name, timing, pulses)
  local kind = chance:pick(kinds)
  -- a StimJim knows and says how many it gave; what confirms a train at its start does not ignore one of it
  if kind == "ignore" and not (name == "magventure" or timing == "host" and name ~= "stimjim") then
    kind = "mute"
  end
  local counts = { lose = "commands", delay = "commands", mute = "replies", late = "replies",
    ignore = "pulses" }
  return { kind = kind, counts = counts[kind], at = chance:draw(1, pulses), seen = 0,
    -- of a command that comes late, and is answered within the usual time, nobody knows it
    late_ns = chance:pick(kind == "delay" and { 210, 400, 900, 1600 }
      or { 15, 40, 60, 95, 150, 210, 400, 900, 1600 }) * MS }
end

--- The first row that says for sure that its pulse was given, and the simulator gave none then.
local function told_too_much(run, rows)
  local at = 1
  for _, row in ipairs(rows) do
    if row.event == "pulse" and row.status == "delivered" then
      while run.given[at] and run.given[at].at < row.onset - within_ns do
        at = at + 1
      end
      if not run.given[at] or run.given[at].at > row.onset + within_ns then
        return ("pulse %d at %.3f s"):format(row.number, row.onset / 1e9)
      end
      at = at + 1
    end
  end
end

describe("what a row calls delivered", function()
  local folder, model, new_simulator
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)
  after_each(function() model.new = new_simulator end)

  --- Play a train on a simulator that is harmed; the run, its rows, and what it was in words.
  local function play(judge, name, timing, hz, pulses, harm)
    local plan = { parts = { { kind = "train", value = 30, ref = "MSO", pulses = pulses, hz = hz } } }
    model = assert(find.simulator(assert(find.find(name))))
    new_simulator = new_simulator or model.new
    model.new = function(...) return broken(new_simulator(...), harm) end
    local _, run = judges.judge(judge, { seed = 1, device = name, kind = "experiment", timing = timing,
      late = "abort", tolerance_ms = 5, catches = true, troubles = {}, script = { {
        { what = "arm", plan = plan }, { what = "play", plan = plan } } } }, { recover = true })
    local words = ("%s, %s, %d/%d Hz, %d pulses: %s of %s %d (%d ms): "):format(name, timing, hz[1], hz[2],
      pulses, harm.kind, harm.counts, harm.at, harm.late_ns // MS)
    if not run.start_ns or not run.events_text then
      return run, {}, words
    end
    local rows = evidence.rows(run.events_text)
    assert.is_nil(told_too_much(run, rows), words)
    assert.are.equal(run.events_text, run.recovered.text, words)
    return run, rows, words
  end

  before_each(function() new_simulator = nil end)

  for _, name in ipairs(devices.names) do
    it("was given, whichever command or reply goes wrong: " .. name, function()
      local judge, harmed, unsure = judges.new(folder), 0, 0
      for seed = 1, seeds do
        local chance = chances.new(seed, "doubt " .. name)
        local timing = name ~= "trigger" and chance:pick { "host", "host", "auto", "device" } or "host"
        local rate = chance:pick(rates[name])
        local hz = name == "rapid" and timing == "host" and { 1, 1 } or rate == "1/4" and { 1, 4 }
          or { rate, 1 }
        local pulses = chance:draw(4, hz[2] == 4 and 5 or 4 + 2 * hz[1])
        local harm = draw_harm(chance, name, timing, pulses)
        local _, rows = play(judge, name, timing, hz, pulses, harm)
        harmed = harmed + (rows[1] and harm.did and 1 or 0)
        for _, row in ipairs(rows) do
          unsure = unsure + ((row.status == "sent" or row.status == "perhaps_sent") and 1 or 0)
        end
      end
      assert.is_true(harmed > 0, "nothing went wrong")
      if devices.known[name].confirms and not quick then -- of each pulse; few draws may all be sure
        assert.is_true(unsure > 0, "all was sure")
      end
    end)
  end

  for _, case in ipairs { { "magventure", "host", 20, "ignore" }, { "magventure", "host", 15, "mute" },
    { "magventure", "host", 10, "ignore" }, { "magventure", "device", 20, "ignore" },
    { "magventure", "device", 10, "ignore" }, { "stimjim", "host", 5, "lose" },
    { "stimjim", "host", 20, "lose" } } do
    it(("before the missing one: %s, %s, %d Hz, %s"):format(table.unpack(case)), function()
      local counts = { ignore = "pulses", mute = "replies", lose = "commands" }
      local harm = { kind = case[4], counts = counts[case[4]], seen = 0, late_ns = 0,
        at = case[4] == "mute" and 8 or 5 } -- the first replies are those of arming
      local _, rows, words = play(judges.new(folder), case[1], case[2], { case[3], 1 }, 20, harm)
      local sure, more, last = 0, false, 0
      for _, row in ipairs(rows) do
        if row.event == "pulse" then
          last = row.number
          more = more or row.status ~= "delivered"
          sure = sure + (row.status == "delivered" and 1 or 0)
          assert.is_true(row.status ~= "delivered" or not more, words .. row.number)
        end
      end
      assert.is_true(harm.did and sure >= 1 and sure <= 6 and last > sure, words .. sure .. " of " .. last)
    end)
  end
end)
