-- The verdict of the published limits is told apart from that of the lab's own and of the sessions' schedule.
local paragraphs = require "moonpulse.methods.paragraph"
local record = require "moonpulse.record.read"
local runs = require "moonpulse.methods.of_run"

local rows = "onset\tevent\tpulse\tonset_planned_us\tonset_sent_us\tchannel\tintensity_mso\tintensity\t"
  .. "intensity_ref\tstatus\n0\tpulse\t1\t0\t0\t1\t40\t80\tRMT\tdelivered\n"

describe("a methods section", function()
  it("tells the verdict on the pulses apart from the lab's and the schedule's", function()
    local late = "sessions: session 2 of 3 today, 2 of 7, 0 min since the last: 10 min are asked, next at "
      .. "the earliest 2026-11-28 01:44 (the course Short); passes: wait 10 min more"
    local function of(verdict, findings)
      local manifest = { status = "completed", kind = "protocol", protocol = { id = "x", name = "X" },
        device = {}, moonpulse = { version = "1" }, result = { status = "completed", pulses_planned = 1 },
        safety = { verdict = verdict, table = "T", findings = findings } }
      local facts = runs.rows("run", manifest, assert(record.parse(rows, "events.tsv")))
      return (paragraphs.text(paragraphs.sentences(facts), 100):gsub("%s+", " "))
    end
    local sessions = { verdict = "beyond tested", layer = "sessions", table = "Short", text = late }
    local text = of("beyond tested", { sessions })
    assert.matches("the verdict on the pulses was: within.", text, 1, true)
    assert.matches("he schedule of sessions was not kept: session 2 of 3 today, 2 of 7, 0 min since the "
      .. "last: 10 min are asked (the course Short).", text, 1, true)
    assert.is_nil(text:find("earliest", 1, true) or text:find("01:44", 1, true))
    text = of("OVER", { { verdict = "OVER", layer = "lab", text = "intensity: 90 %RMT, the lab's limits" },
      { verdict = "beyond tested", table = "Row 5" }, sessions })
    assert.matches("the verdict on the pulses was: beyond tested (Row 5).", text, 1, true)
    assert.matches("By the laboratory's own limits it was: OVER (intensity: 90 %RMT, the lab's limits).",
      text, 1, true)
    assert.matches("the verdict on the pulses was: OVER.", of("OVER", {}), 1, true)
    assert.matches("the verdict on the pulses was: OVER.", of("OVER", { sessions }), 1, true)
  end)
end)
