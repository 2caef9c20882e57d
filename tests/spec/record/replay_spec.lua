--- What recover makes of a flight record that was cut in the middle of a write, or that names no plans.
local flight_files = require "flight_file"
local flights = require "moonpulse.record.recover_flight"
local records = require "moonpulse.record"
local replays = require "moonpulse.record.replay"
local shell = require "shell"

local MS, S = 1000000, 1000000000
local begin = 1000 * S
local driver = { confirms = false, proves_end = true, confirmation = function() end }

--- The entry of the journal for a plan of so many pulses, 100 ms apart.
local function entry_of(play, begin_ns, pulses)
  return { kind = "play", play = play, start_ns = begin_ns, from_ns = begin_ns - 10 * MS, pulses = pulses,
    wire_ns = { MS }, latency_ns = 0, actions = { { channel = "1", mso = 40, intensity = 40,
      reference = "MSO" } }, marks = {} }
end

--- Its records; the last was handed over for a time that is not known, or was not taken.
local function add(list, play, begin_ns, pulses, last_ns)
  for i = 1, pulses do
    local at_ns = begin_ns + (i - 1) * 100 * MS
    list[#list + 1] = { kind = "sent", send = "pulse", play = play, number = i, planned_ns = at_ns - begin_ns,
      due_ns = at_ns, woken_ns = at_ns, sent_ns = at_ns,
      returned_ns = i == pulses and last_ns or at_ns + 4000 }
  end
end

describe("what recover makes of a flight record", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  --- The rows: pulses by number and status.
  local function rows_of(list, entries, version)
    local path = folder .. "/flight.bin"
    table.insert(list, 1, { kind = "start", due_ns = begin, planned_ns = 1700000000 * S })
    flight_files.write(path, list)
    local flight = assert(flights.read(path))
    flight.losses.version = version or flight.losses.version
    local record, text = records.in_memory()
    record.start_ns = flight.start_ns
    local complete, planned, unknown = replays.all(record, flight, entries, driver, flight.said)
    record:close()
    local rows = {}
    for line in text():gmatch("[^\n]+") do
      local status = line:match("\t(%a+_?%a*)" .. ("\t[^\t]*"):rep(5) .. "$")
      rows[#rows + 1] = status ~= "status" and status or nil
    end
    return table.concat(rows, " "), record, { complete, planned, unknown, table.concat(flight.said, "; ") }
  end

  it("says of the pulse that was being written when the run was killed that it perhaps left", function()
    for last_ns, status in pairs { [0] = "perhaps_sent", [-1] = "not_taken", [-2] = "perhaps_sent",
      [begin + S] = "sent" } do
      local list = { { kind = "play", number = 1, play = 1, due_ns = begin } }
      add(list, 1, begin, 3, last_ns)
      list[#list + 1] = { kind = "stopped", play = 1, detail = 1, action = 2, sent_ns = begin + S,
        woken_ns = begin + S }
      assert.are.equal("sent sent " .. status, (rows_of(list, { entry_of(1, begin, 3) })))
    end
  end)

  it("says of the event code that was being written then that it perhaps left", function()
    for returned_ns, status in pairs { [0] = "perhaps_sent", [-1] = "not_taken", [-2] = "not_taken",
      [begin + S] = "sent" } do
      local list = { { kind = "play", number = 1, play = 1, due_ns = begin } }
      add(list, 1, begin, 1, begin + 4000)
      list[#list + 1] = { kind = "code", send = "pulse", play = 1, number = 1, action = 8, planned_ns = MS,
        due_ns = begin + MS, woken_ns = begin + MS, sent_ns = begin + MS, returned_ns = returned_ns }
      local text = rows_of(list, { entry_of(1, begin, 1) })
      assert.are.equal("sent " .. status, text)
    end
  end)

  it("tells of each pulse whose record is lost, and counts it as one that perhaps was given", function()
    local list = { { kind = "play", number = 1, play = 1, due_ns = begin } }
    add(list, 1, begin, 6, begin + S)
    table.remove(list, 6)
    list[4].torn = true
    list[#list + 1] = { kind = "finished", play = 1, woken_ns = begin + S, due_ns = begin + S }
    list[#list + 1] = { kind = "stopped", play = 1, detail = 1, action = 2, sent_ns = begin + 2 * S,
      woken_ns = begin + 2 * S }
    local rows, record, told = rows_of(list, { entry_of(1, begin, 6) })
    assert.are.equal("sent sent sent sent", rows)
    assert.are.equal(6, record.last_number)
    assert.are.equal(6, told[2])
    assert.are.equal(2, told[3])
    assert.matches("no record of pulses 3, 5: nobody knows whether they were sent", told[4], 1, true)
  end)

  it("has the pulses of each plan where the flight record is an older one, which names none", function()
    local list, second_ns = {}, begin + 10 * S
    add(list, 0, begin, 2, begin + 2 * S)
    add(list, 0, second_ns, 3, second_ns + 2 * S)
    local rows, record = rows_of(list, { entry_of(1, begin, 2), entry_of(2, second_ns, 3) }, 1)
    assert.are.equal("sent sent sent sent perhaps_sent", rows) -- no stop is told of: the last may be cut
    assert.are.equal(5, record.pulses_sent)
  end)
end)
