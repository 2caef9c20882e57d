--- Which pulses a record calls delivered: random sequences of what is sent and answered, against a model that
--- knows nothing of the record.
local chances = require "chance"
local read = require "moonpulse.record.read"
local records = require "moonpulse.record"

local MS, START_NS = 1000000, 5000 * 1000000

--- A record in memory of a device that confirms each pulse; and its rows, once it is closed.
local function new()
  local record, text = records.in_memory()
  record:set_actions({ { channel = "1", mso = 40, intensity = 40, reference = "MSO" } }, { confirms = true })
  record:start(START_NS)
  return record, function()
    record:halt(START_NS + 1000 * 1000 * MS)
    record:stopped(true)
    record:close()
    return assert(read.parse(text(), "made")).pulses
  end
end

local function send(record, number, at_ns)
  record:pulse(number, at_ns, at_ns, 0, 1, START_NS + at_ns)
  record:advance(at_ns)
end

--- What a person would say who keeps a list by hand: pulses wait in a row, and an answer is one of theirs; it
--- is nobody's until all have theirs.
local function model()
  local told = { status = {}, waits = {}, unsure = {}, doubted = nil, confirmed = 0 }
  function told.send(number)
    told.status[number] = "sent"
    table.insert(told.waits, number)
  end
  function told.answer()
    local number = table.remove(told.waits, 1)
    if not number then
      return false
    end
    table.insert(told.unsure, number)
    if #told.waits == 0 then -- else it may be that of any that waits
      for _, each in ipairs(told.doubted and {} or told.unsure) do -- what was late was not surely given then
        told.status[each], told.confirmed = "delivered", told.confirmed + 1
      end
      told.unsure, told.doubted = {}, nil
    end
    return true
  end
  function told.doubt()
    told.doubted = told.doubted or told.waits[1]
  end
  return told
end

describe("a record's confirmations", function()
  it("are in the flight record, whatever is in doubt: recover knows when the last one came", function()
    local chance, in_doubt = chances.new(63), 0
    for _ = 1, 100 do
      local record, sent, noted_ns = new(), 0, math.mininteger
      record.flight = { confirm = function(_, _, at_ns) noted_ns = math.max(noted_ns, at_ns - START_NS) end }
      for step = 1, chance:draw(5, 40) do
        local what = chance:draw(1, 8)
        if what <= 4 then
          sent = sent + 1
          send(record, sent, step * 10 * MS)
        elseif what <= 7 then
          record:confirm(step * 10 * MS, "yes")
        else
          record:in_doubt()
        end
        in_doubt = in_doubt + #record.unsure
        assert.are.equal(record.heard_ns, noted_ns)
      end
    end
    assert.is_true(in_doubt > 100)
  end)

  it("are the oldest pulse's, and in doubt nobody's until all are there: random sequences", function()
    local chance, doubts, delivered = chances.new(62), 0, 0
    for _ = 1, 400 do
      local record, rows = new()
      local told, sent = model(), 0
      for step = 1, chance:draw(5, 40) do
        local at_ns, what = step * 10 * MS, chance:draw(1, 8)
        if what <= 4 then
          sent = sent + 1
          send(record, sent, at_ns)
          told.send(sent)
        elseif what <= 7 then
          assert.are.equal(told.answer(), record:confirm(at_ns, "yes"))
        else
          record:in_doubt()
          told.doubt()
          doubts = doubts + 1
        end
        local pulse, at = record:oldest_open()
        assert.are.equal(told.waits[1], pulse)
        assert.is_true(not pulse or at > START_NS and at <= START_NS + at_ns)
        assert.are.equal(told.doubted or told.waits[1], (record:oldest_doubt()))
        assert.are.equal(told.waits[1], record:oldest_number())
        assert.are.equal(told.waits[1] and told.waits[1] - 1 or sent, record:answered())
        assert.are.equal(told.waits[1], (select(2, record:awaits(START_NS + at_ns))))
      end
      local list = rows()
      assert.are.equal(sent, #list)
      for _, row in ipairs(list) do
        assert.are.equal(told.status[row.pulse], row.status)
        assert.are.equal(row.status == "delivered", row.confirmed ~= nil)
      end
      assert.are.equal(told.confirmed, record.pulses_confirmed)
      delivered = delivered + told.confirmed
    end
    assert.is_true(doubts > 300 and delivered > 500, doubts .. " " .. delivered)
  end)

  it("are in doubt once a pulse was sent after all before it should have been answered", function()
    local record, rows = new()
    send(record, 1, 10 * MS)
    record:doubt(START_NS + 10 * MS) -- it was sent then, so it need not have been
    record:confirm(15 * MS, "yes")
    send(record, 2, 20 * MS)
    record:doubt(START_NS + 21 * MS)
    send(record, 3, 30 * MS)
    record:confirm(31 * MS, "yes") -- the second's, late; or the third's
    assert.are.equal(1, record.pulses_confirmed)
    assert.are.equal(2, (record:oldest_doubt()))
    local list = rows()
    assert.are.same({ "delivered", "sent", "sent" }, { list[1].status, list[2].status, list[3].status })
  end)

  it("that say which pulse they are of pass over those before it, which stay unconfirmed", function()
    local record, rows = new()
    for number = 1, 3 do
      send(record, number, number * 10 * MS)
    end
    local asked = 0
    local found, first = record:turn_to(function()
      asked = asked + 1
      return asked == 3
    end)
    assert.are.same({ true, 1 }, { found, first.pulse })
    record:confirm(31 * MS, "yes")
    assert.is_nil((select(2, record:turn_to(function() return true end))))
    local list = rows()
    assert.are.same({ "sent", "sent", "delivered" }, { list[1].status, list[2].status, list[3].status })
    assert.are.equal(1, record.pulses_confirmed)
  end)

  it("turn to nobody where none that waits is such a pulse", function()
    local record = new()
    assert.is_true((record:turn_to(function() return false end))) -- none waits: it is of none that we know
    send(record, 1, 10 * MS)
    assert.is_false((record:turn_to(function() return false end)))
    assert.are.equal(1, record:oldest_number())
    local found, first = record:turn_to(function() return true end)
    assert.are.same({ true, nil }, { found, first })
  end)
end)
