-- The timeline in beh/: both ways of writing it give the same bytes, and what the run's table had wrong is
-- mended.
local timeline = require "moonpulse.bids.timeline"

local header = "onset\tduration\ttrial_type\tindex\tevent\tpulse\tonset_planned_us\tonset_sent_us\t"
  .. "status\treply\n"
local first = "0.5\t0\tpulse\t1\tpulse\t1\t500000\t500000\tdelivered\tn/a\n"
local mark = "0.6\t0\tmark\t2\tmark\tn/a\t600000\tn/a\tpassed\ta|b\n"
local second = "0.7\t0\tpulse\t3\tpulse\t2\t700000\t700000\tsent\tok\n"

local function written(text, whole, plan)
  local files = {}
  timeline.write(text, whole, nil, plan, { name = "Moonpulse", version = "1" }, "x", files)
  return files["x_events.tsv"]
end

describe("the timeline", function()
  local with_plan = (header .. first .. mark .. second):gsub("\n", "\tp-1.plan\n"):gsub("p%-1%.plan",
    "stim_file", 1)

  it("is the run's table with one more column, row by row or at once", function()
    for _, whole in ipairs { true, false } do
      assert.are.equal(with_plan, written(header .. first .. mark .. second, whole, "p-1.plan"))
      assert.are.equal(header .. first .. mark .. second, written(header .. first .. mark .. second, whole))
    end
  end)

  it("loses the column again, and only where it is everywhere", function()
    assert.are.equal(header .. first .. mark .. second, timeline.without_plan(with_plan))
    assert.are.equal(header .. first, timeline.without_plan(header .. first))
    local other = with_plan:gsub("p%-1%.plan\n$", "q.plan\n")
    assert.are_not.equal(header .. first .. mark .. second, timeline.without_plan(other))
  end)

  it("is sorted, has no empty cell, and no row of what was not given or has no onset", function()
    local late = "0.65\t0\tpulse\t9\tpulse\t9\t650000\tn/a\tlate\tn/a\n"
    local stopped = "0.9\t0\tpulse\t10\tpulse\t10\t900000\tn/a\tstopped\tn/a\n"
    assert.are.equal(header .. first .. mark .. second, written(header .. second .. late .. first .. stopped
      .. mark, false))
    assert.are.equal(header .. first .. mark .. second, written(header .. second .. first .. mark, true))
    assert.are.equal(header .. first, written(header .. first:gsub("n/a\n", "\n"), true))
    assert.are.equal(header .. first, written((header .. first):gsub("\n", "\r\n"), true))
    assert.are.equal(header .. first, written(header .. first .. second:gsub("^0.7", "n/a"), true))
    assert.are.equal(header .. first, written(header .. first .. "0.8\t0\tpul", true))
  end)
end)
