-- Which pulses count as given: every reader has the same answer of each status, and one sentence for `late`.
local bids = require "bids"
local cjson = require "cjson"
local conditions = require "moonpulse.record.conditions"
local counted = require "moonpulse.record.counted"
local status_words = require "moonpulse.record.statuses"
local delivered = require "moonpulse.bids.delivered"
local of_run = require "moonpulse.methods.of_run"
local read = require "moonpulse.record.read"
local shell = require "shell"
local words = require "moonpulse.bids.words"

describe("what counts as given", function()
  local statuses = { delivered = true, sent = true, otherwise = true, simulated = true, perhaps_sent = true,
    late = false, close = false, setting = false, stopped = false, not_taken = false }

  it("is the same for every reader", function()
    for status, without in pairs(statuses) do
      for sent, wanted in pairs { ["n/a"] = without, ["1000010"] = true } do
        local text = ("onset\tduration\tevent\tpulse\tonset_planned_us\tonset_sent_us\tstatus\n"
          .. "1\t0\tpulse\t1\t1000000\t%s\t%s\n"):format(sent, status)
        local name = status .. " " .. sent
        local events = assert(read.parse(text, "x"))
        local row = events.pulses[1]
        assert.are.equal(wanted, counted.is_given(row.status, row.was_sent), name)
        assert.are.equal(wanted and (status ~= "perhaps_sent" or sent ~= "n/a"), row.was_sent, name)
        local found = assert(delivered.pulses(text, "x")).pulses
        assert.are.equal(wanted and 1 or 0, #found, name)
        assert.are.equal(wanted, delivered.is_given("pulse", status, sent ~= "n/a"), name)
        local of = conditions.of_events(events)[1]
        assert.are.equal(wanted and 1 or 0, of.delivered + of.perhaps, name)
        assert.are.equal(wanted and 1 or 0, of_run.rows("run", {}, events).pulses.delivered, name)
      end
    end
  end)

  it("has one sentence for what was late: in events.json, in a BIDS dataset and in the docs", function()
    local folder <close> = setmetatable({ path = shell.folder() }, { __close = function(self)
      shell.remove(self.path)
    end })
    local run = bids.run(folder.path, "itbs600 --amt 40")
    local described = cjson.decode(shell.read(run .. "/events.json")).status.Levels
    assert.are.equal(status_words.told "late", described.late)
    for name, told in pairs(words.timeline.status.Levels) do
      assert.are.equal(described[name], told)
    end
    local said = 0
    for _, table_of in pairs(words) do
      local column = type(table_of) == "table" and table_of.pulse_status
      if column then
        said = said + 1
        assert.are.equal(status_words.told "late", column.Levels.late)
      end
    end
    assert.are.equal(1, said)
    local row = "| `late` | " .. status_words.told("late"):gsub("^L", "l") .. " |"
    assert.matches(row, shell.read "docs/record.md", 1, true)
  end)
end)
