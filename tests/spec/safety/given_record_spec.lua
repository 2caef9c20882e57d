--- What the record of an earlier run says was given: to the brain, and to a nerve.
local given = require "moonpulse.safety.given_record"
local shell = require "shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

describe("pulses of a channel that the run took for a nerve's", function()
  it("are none of the brain's", function()
    local rows = { "onset\tevent\tpulse\tchannel\tonset_planned_us\tonset_sent_us\tstatus" }
    for i, channel in ipairs { "nerve", "tms", "nerve", "other", "nerve" } do
      rows[#rows + 1] = ("%d\tpulse\t%d\t%s\t%d\t%d\tsent"):format(i, i, channel, i * 1000000, i * 1000000)
    end
    shell.write(folder .. "/events.tsv", table.concat(rows, "\n") .. "\n")
    local function of(nerve)
      local run = given.of(folder, { status = "completed", result = { pulses_sent = 5 },
        protocol = { nerve = nerve } }, true)
      return { run.pulses, run.nerve_pulses }
    end
    assert.are.same({ 2, 3 }, of { "nerve" })
    assert.are.same({ 1, 4 }, of { "nerve", "other" })
    assert.are.same({ 5, 0 }, of(nil))
    assert.are.same({ 5, 0 }, of { 7, {} }) -- no name
  end)
end)
