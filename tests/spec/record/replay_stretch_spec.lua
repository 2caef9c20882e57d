-- Stretches of a flight record are told as one and their rows made at once: the same rows, counts and
-- sentences as record by record, whatever happened in the run and to the file.
local chances = require "chance"
local core = require "moonpulse.core"
local flight_files = require "flight_file"
local flights = require "moonpulse.record.recover_flight"
local records = require "moonpulse.record"
local replays = require "moonpulse.record.replay"
local shell = require "shell"

local MS, S = 1000000, 1000000000
local begin = 1000 * S

local tries = math.tointeger(tonumber(os.getenv "MP_STRETCHES" or "")) or 150

--- What stands between a run's pulses, and what is wrong with one of them, each once in some hundred.
local odd = {
  late = function(pulse)
    pulse.sent_ns, pulse.returned_ns = pulse.sent_ns + 9 * MS, pulse.returned_ns + 9 * MS
  end,
  stalled = function(pulse) pulse.returned_ns = pulse.returned_ns + 30 * MS end,
  untaken = function(pulse) pulse.returned_ns, pulse.lost = -1, true end,
  in_part = function(pulse) pulse.returned_ns = -2 end,
  cut = function(pulse) pulse.returned_ns, pulse.lost = 0, true end,
  skipped = function(pulse)
    pulse.kind, pulse.detail, pulse.returned_ns, pulse.lost = "skipped", 3, 0, true
  end,
  unconfirmed = function(pulse) pulse.lost = true end,
  otherwise = function(pulse) pulse.said = 1 end,
  some = function(pulse) pulse.said = 3 end,
  unlike = function(pulse) pulse.value = 99 end,
  far_off = function(pulse) pulse.planned_ns = 1 << 60 end,
  sooner = function(pulse) pulse.sent_ns = pulse.sent_ns - 700 * MS end,
  torn = function(pulse) pulse.torn = true end,
  zeroed = function(pulse) pulse.zeroed = true end,
  other_frame = function(pulse) pulse.frame = 3 end, -- its plan has none
  other_action = function(pulse) pulse.action = 2 end,
  after_mark = function(pulse) pulse.mark = true end,
  before_told = function(pulse) pulse.mark_behind = true end, -- its onset is sooner than the pulse's
  after_set = function(pulse) pulse.set = true end,
  after_question = function(pulse) pulse.oneoff = true end,
  renumbered = function(pulse) pulse.number = pulse.number + 1 end,
}
local odd_names = {}
for name in pairs(odd) do
  odd_names[#odd_names + 1] = name
end
table.sort(odd_names)

--- The pulses of a plan, each with its confirmation, as a run would store them: in the order of their times.
local function add_plan(list, chance, play, begin_ns, count, period_ns, waits_ns, oddness)
  local told = {}
  local function tell(at_ns, record)
    record.play, record.at_ns, record.order = play, at_ns, #told
    told[#told + 1] = record
  end
  for number = 1, count do
    local due_ns = begin_ns + (number - 1) * period_ns
    local late_ns = chance(0, 3) == 0 and 0 or chance(1, 90000)
    local pulse = { kind = "sent", send = "pulse", number = number, planned_ns = due_ns - begin_ns + 2 * MS,
      due_ns = due_ns, sent_ns = due_ns + late_ns, woken_ns = due_ns - 1000, value = 20 + chance(0, 1) }
    pulse.returned_ns = pulse.sent_ns + 4000
    if chance(1, oddness) == 1 then
      odd[odd_names[chance(1, #odd_names)]](pulse)
    end
    if pulse.mark then
      tell(due_ns - 1, { kind = "mark", number = 1, planned_ns = pulse.planned_ns, due_ns = due_ns,
        woken_ns = due_ns, sent_ns = due_ns })
    elseif pulse.set then
      local set_ns = due_ns - MS
      tell(due_ns - 2, { kind = "sent", send = "set", number = number, planned_ns = pulse.planned_ns - MS,
        due_ns = set_ns, woken_ns = set_ns, sent_ns = set_ns, returned_ns = set_ns + 1000 })
    elseif pulse.oneoff then
      tell(due_ns - 3, { kind = "oneoff", due_ns = due_ns - MS, sent_ns = due_ns - MS })
    end
    tell(due_ns, pulse)
    if not pulse.lost then
      local answered_ns = pulse.sent_ns + waits_ns + chance(0, 3 * MS)
      tell(answered_ns, { kind = "confirm", number = pulse.number, woken_ns = answered_ns,
        action = pulse.value + 1, detail = pulse.said or 0 })
      if pulse.mark_behind then
        tell(answered_ns + 1, { kind = "mark", number = 1, planned_ns = pulse.planned_ns - MS,
          due_ns = due_ns, woken_ns = due_ns, sent_ns = due_ns })
      end
    end
  end
  table.sort(told, function(a, b)
    return a.at_ns < b.at_ns or a.at_ns == b.at_ns and a.order < b.order
  end)
  list[#list + 1] = { kind = "play", number = play, play = play, due_ns = begin_ns }
  table.move(told, 1, #told, #list + 1, list)
end

local action = { channel = "1", mso = 40, intensity = 40, reference = "MSO" }
local driver = { measures = { what = "dI/dt", unit = "A/us" },
  confirmation = function(value) return value > 0 and ("confirmed\t%d"):format(value) or nil end }

--- The entries of the journal that go with it.
local function entry_of(chance, play, begin_ns, count)
  local per = chance(1, 7)
  return { kind = "play", play = play, start_ns = begin_ns, from_ns = begin_ns - 10 * MS, pulses = count,
    wire_ns = { 1 * MS, 1500000 }, latency_ns = 500000, tolerance_ns = chance(0, 1) == 1 and 10 * MS or nil,
    actions = { action, { channel = "2", mso = 50, intensity = 50, reference = "MSO" } }, marks = { "go" },
    confirms = true, proves_end = true,
    trials = chance(0, 2) > 0 and { root = 2, conditions = { "A", "B" }, parts = {
      { n = per, c = 1 + play % 2, trial = true },
      { row = { 1, chance(1, math.max(1, count // per)) } } } } or nil }
end

local function run_of(path, seed)
  local chance = chances.draws(seed)
  local list, entries = { { kind = "start", due_ns = begin, planned_ns = 1700000000 * S } }, {}
  local begin_ns = begin
  for play = 1, chance(1, 3) do
    local count = chance(1, 4) == 1 and chance(1, 30) or chance(40, 400)
    local period_ns, waits_ns = chance(4, 40) * MS, chance(1, 60) * MS
    local oddness = ({ 30, 200, 100000 })[chance(1, 3)]
    add_plan(list, chance, play, begin_ns, count, period_ns, waits_ns, oddness)
    entries[play] = entry_of(chance, play, begin_ns, count)
    begin_ns = begin_ns + count * period_ns + 2 * S
    if chance(0, 3) > 0 then
      list[#list + 1] = { kind = "finished", play = play, woken_ns = begin_ns - S, due_ns = begin_ns - S }
    end
  end
  if chance(0, 1) == 1 then
    list[#list + 1] = { kind = "stopped", play = #entries, detail = 1, action = 2, sent_ns = begin_ns,
      woken_ns = begin_ns, planned_ns = chance(0, 1) * (begin_ns - 3 * S) }
    list[#list + 1] = { kind = "left", play = #entries, action = chance(1, 2), woken_ns = begin_ns + S }
  end
  flight_files.write(path, list)
  return entries
end

--- All that a replay makes of it.
local function told_of(path, entries, stretches)
  local flight = assert(flights.read(path, nil, stretches))
  local record, text = records.in_memory()
  record.start_ns = flight.start_ns
  local complete, planned, unknown = replays.all(record, flight, entries, driver, flight.said)
  record:close()
  local found = { complete = complete, planned = planned, unknown = unknown, said = flight.said,
    text = text(), sum = record.sum:text(), conditions = record.conditions, skipped_by = record.skipped_by }
  for _, key in ipairs { "index", "starts", "punctual", "pulses_sent", "pulses_confirmed", "pulses_skipped",
    "last_number", "worst_us", "onset_errors", "written_ns", "had_ns", "heard_ns", "claimed_ns", "perhaps",
    "disordered" } do
    found[key] = record[key]
  end
  return found, flight
end

describe("a stretch of the flight record", function()
  local folder

  setup(function() folder = shell.folder() end)

  teardown(function() shell.remove(folder) end)

  it("gives what its records give one by one", function()
    local path, told_at_once = folder .. "/flight.bin", 0
    for seed = 1, tries do
      local entries = run_of(path, seed)
      local each = told_of(path, entries, false)
      local found, flight = told_of(path, entries, true)
      for key, value in pairs(each) do
        assert.are.same(value, found[key], ("seed %d: %s"):format(seed, key))
      end
      for _, record in ipairs(flight.list) do
        told_at_once = told_at_once + (record.kind == "stretch" and record.pulses or 0)
      end
    end
    assert.is_true(told_at_once > 20 * tries, told_at_once .. " pulses were in stretches")
  end)

  it("is nearly all of a run in which nothing happens", function()
    local path, list = folder .. "/plain.bin", { { kind = "start", due_ns = begin, planned_ns = S } }
    add_plan(list, chances.draws(1), 1, begin, 1000, 10 * MS, 25 * MS, 1 << 30)
    flight_files.write(path, list)
    local flight = assert(flights.read(path, nil, true))
    assert.is_true(#flight.list <= 4, #flight.list .. " entries")
    local stretch = flight.list[3]
    assert.are.same({ "stretch", 1, 1000, 1000 }, { stretch.kind, stretch.number, stretch.pulses,
      stretch.confirmed })
    for place = stretch.first, stretch.place do
      assert.are.equal(place, flight.reader:at(place).place)
    end
    local reader = core.flight_read(path)
    for i, record in ipairs(assert(flights.read(path)).list) do
      local own = reader:at(i)
      own.lost_after = record.lost_after
      assert.are.equal(i > 1 and record.play or 0, own.play)
      assert.are.same(i > 1 and record or own, own)
    end
    assert.is_nil(reader:at(#list + 1))
    assert.is_nil(reader:at(0))
  end)

  it("refuses facts that no run has", function()
    local path, list = folder .. "/facts.bin", { { kind = "start", due_ns = begin, planned_ns = S } }
    add_plan(list, chances.draws(1), 1, begin, 100, 10 * MS, 2 * MS, 1 << 30)
    flight_files.write(path, list)
    local reader = assert(core.flight_read(path))
    local function rows(first, change)
      local facts = { run_ns = begin, begin_ns = begin, delay_ns = MS }
      for key, value in pairs(change or {}) do
        facts[key] = value
      end
      return reader:rows(first, facts)
    end
    assert.is_not_nil(rows(3))
    assert.is_nil(rows(1))
    assert.is_nil(rows(4))
    assert.is_nil(rows(201))
    for _, change in ipairs { { run_ns = 1 << 60 }, { begin_ns = 0.5 }, { delay_ns = "x" },
      { tolerance_ns = {} } } do
      assert.has_error(function() rows(3, change) end)
    end
    assert.has_error(function() rows(0) end)
    local known = { index = 1, number = 1, tail = "", words = {}, proof = "n/a", condition = "n/a", trial = 0,
      block = 0, first = 1, per = 0 }
    local left = rows(3)
    assert.is_string(left:text(2, known, {}))
    reader:close()
    assert.has_error(function() rows(3) end)
    assert.has_error(function() left:text(2, known, {}) end)
  end)
end)
