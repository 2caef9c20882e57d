-- The write of a device-timed train's start may stall, before its bytes leave or after: on a busy computer by
-- tens of milliseconds. A confirmation that comes between the two is the train's.
local outcome = require "moonpulse.record.outcome"
local records = require "moonpulse.record"

local MS, BEGIN = 1000000, 1000000000000

--- Two confirmations of a train of two pulses, 100 ms apart, whose write began at 0 and returned at
--- returned_ms, with a tolerance of 1 ms: does the record take them for the train's?
local function confirmed(returned_ms, first_ms, second_ms)
  local record = records.in_memory()
  local pulse = { channel = "1", mso = 40, intensity = 40, reference = "MSO" }
  local action = { channel = "1", mso = 40, intensity = 40, reference = "MSO", train = { confirms = 2 },
    part = { cell = { { offset = 0, action = pulse } }, levels = { { count = 2, num = 1, den = 10 } } } }
  record:set_actions({ action }, { confirms = true })
  record:start(BEGIN)
  outcome.enter(record, { what = "sent", send = "pulse", number = 1, planned_ns = 0, due_ns = 0,
    entered_ns = 0, returned_ns = returned_ms * MS, action = 1, frame = 1 },
    { offset_ns = 0, wire_ns = { 0 }, latency_ns = 0, tolerance_ns = MS }, BEGIN + returned_ms * MS)
  local first = record:confirm(first_ms * MS, "ok")
  return first, record:confirm(second_ms * MS, "ok")
end

describe("the confirmation of a train", function()
  it("may come before the write of its start has returned", function()
    for _, returned_ms in ipairs { 0, 30, 90 } do
      assert.are.same({ true, true }, { confirmed(returned_ms, 20, 120) }, returned_ms)
    end
  end)

  it("does not come before the write began, nor before its pulse", function()
    for _, returned_ms in ipairs { 0, 30 } do
      assert.is_falsy((confirmed(returned_ms, -1, 120)))
      assert.is_falsy(select(2, confirmed(returned_ms, 20, 99)))
    end
  end)
end)
