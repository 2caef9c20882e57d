-- What methods says of the pulses that a run gave does not go by the order of its rows, nor by whether they
-- say their trials: then the plan says them, which the rows follow.
local of_run = require "moonpulse.methods.of_run"
local shell = require "shell"

describe("the pulses that a run gave", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are told in time, however the rows are sorted: how long, and which stimuli", function()
    local function facts(...)
      local events = { pulses = {}, unasked = {}, marks = {}, incomplete = 0 }
      for _, at in ipairs { ... } do
        events.pulses[#events.pulses + 1] = { time = at, status = "delivered", was_sent = true, channel = "1",
          intensity = at < 3 and 40 or 50, ref = "MSO", mso = 40, pulse = #events.pulses + 1 }
      end
      events.pulses[#events.pulses + 1] = { time = 99, status = "not_sent", channel = "1", intensity = 40,
        ref = "MSO", pulse = #events.pulses + 1 }
      return of_run.rows("run", { kind = "protocol", speed = 1, protocol = { id = "x" },
        result = { pulses_planned = 9 } }, events)
    end
    local sorted, shuffled = facts(1, 1.1, 1.2, 6, 6.1, 6.2), facts(6, 1.1, 1, 6.2, 1.2, 6.1)
    assert.are.same({ 5.2, 6 }, { sorted.durations.delivered_s, sorted.pulses.delivered })
    assert.are.same({ 5.2, 6 }, { shuffled.durations.delivered_s, shuffled.pulses.delivered })
    assert.are.equal(2, sorted.delivered.count) -- two trains
    assert.are.same(sorted.delivered, shuffled.delivered)
  end)

  it("have the trials of the plan where their rows say none", function()
    shell.write(folder .. "/pairs.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "pairs", name = "Pairs", plan = function()
        return mp.pair { isi = mp.ms(200), intensity = { mp.mso(40), mp.mso(60) } }:label "P":times(6,
          { every = 0.45 })
      end }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/pairs.lua --speed max --timing host --out "
      .. "%s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local run = folder .. "/runs/" .. shell.names(folder .. "/runs")[1]
    local with = assert(of_run.folder(run))
    assert.are.equal(6, with.delivered.count)
    local lines, at, changed = {}, nil, 0
    for line in shell.read(run .. "/events.tsv"):gmatch("[^\n]+") do
      local cells = {}
      for cell in line:gmatch("[^\t]+") do
        cells[#cells + 1] = cell
        at = at or cell == "trial" and #cells or nil
      end
      changed = changed + (cells[at]:find("^%d+$") and 1 or 0)
      cells[at] = cells[at]:gsub("^%d+$", "n/a")
      lines[#lines + 1] = table.concat(cells, "\t")
    end
    assert.are.equal(12, changed)
    shell.write(run .. "/events.tsv", table.concat(lines, "\n") .. "\n")
    local without = assert(of_run.folder(run))
    assert.are.same(with.delivered, without.delivered)
    assert.are.same({ { name = "P", planned = 12, trials = 6, delivered = 12, confirmed = 12,
      trials_begun = 6 } }, without.conditions)
  end)
end)
